"""The distributions in dist/ hold the repository: the source all of it, the wheel both packages."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

WEIGHTS = "benchmarks/model/checkpoints/"  # the torch weights of the bundled model, 14 MB


def tracked(*places: str) -> set[str]:
    """Files that the repository has, under ``places`` if any are given."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *places], check=True, capture_output=True, text=True
    )
    return {name for name in listed.stdout.split("\0") if name}


def main() -> None:
    """Exit with the names of the files that lack or do not belong."""
    (source,) = Path("dist").glob("spkid-*.tar.gz")
    (wheel,) = Path("dist").glob("spkid-*.whl")
    with tarfile.open(source) as archive:
        in_source = {member.name.split("/", 1)[-1] for member in archive if member.isfile()}
    in_wheel = {
        name
        for name in zipfile.ZipFile(wheel).namelist()
        if not name.split("/")[0].endswith(".dist-info")
    }
    own = tracked("spkid", "enrollment")
    wrong = {
        "not in the source distribution": {
            name for name in tracked() - in_source if not name.startswith(WEIGHTS)
        },
        "not in the wheel": own - in_wheel,
        "in the wheel, but not in the repository": in_wheel - own,
    }
    lines = [f"{where}: {', '.join(sorted(names))}" for where, names in wrong.items() if names]
    if lines:
        sys.exit("\n".join(lines))
    print(f"{source.name}: {len(in_source)} files, {wheel.name}: {len(in_wheel)}; nothing lacks")


main()
