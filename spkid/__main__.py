"""``python -m spkid``: the command line."""

from spkid.cli.main import main

if __name__ == "__main__":
    main()
