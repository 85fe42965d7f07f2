"""Commands for the whole of a store: backup, restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spkid.cli.homes import StoreOption, open_store, store_place
from spkid.cli.output import JsonFlag, echo, print_json, say


def backup(
    file: Annotated[Path, typer.Argument(readable=False, help="The new file to write.")],
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Copy the store to a new file, while others may go on using it."""
    with open_store(store) as opened:
        made = opened.backup(file)
    if as_json:
        print_json({"backup": str(made.path), "n_members": made.n_members, "n_clips": made.n_clips})
    else:
        echo(f"{made.path}: {_counted(made.n_members, made.n_clips)}, read again and whole.")


def restore(
    file: Annotated[Path, typer.Argument(readable=False, help="The backup.")],
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Put a backup in the place of the store; the store that was there is kept beside it."""
    from enrollment.store.backup import restore as put_back

    done = put_back(file, store_place(store))
    if as_json:
        print_json(
            {
                "store": str(done.place),
                "n_members": done.n_members,
                "n_clips": done.n_clips,
                "kept": done.kept and str(done.kept),
                "deleted_since": [
                    {"household": household, "member": member}
                    for household, member in done.deleted_since
                ],
            }
        )
        return
    echo(f"{done.place}: {_counted(done.n_members, done.n_clips)}, from {file}.")
    if done.kept is not None:
        say(f"The store that was there before is kept as {done.kept}.")
    for household, member in done.deleted_since:
        say(
            f"Clips of {member} in {household} are back that were deleted after the backup: "
            "see 'spkid forget'."
        )


def _counted(n_members: int, n_clips: int) -> str:
    """``1 member, 3 clips``."""
    return ", ".join(
        f"{n} {word}{'' if n == 1 else 's'}"
        for n, word in ((n_members, "member"), (n_clips, "clip"))
    )
