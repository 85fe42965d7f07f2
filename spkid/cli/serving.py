"""Commands for the service: serve, and its tokens."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spkid.cli.homes import ModelOption, StoreOption, store_place
from spkid.cli.output import JsonFlag, echo, print_json, print_table, say
from spkid.errors import SpkidError

if TYPE_CHECKING:
    from spkid.serve.tokens import Token, Tokens

token = typer.Typer(
    help="Who may call a service that others can reach: add, list and revoke tokens.",
    no_args_is_help=True,
    add_completion=False,  # the command as a whole has it
)
TokensOption = Annotated[
    Path | None,
    typer.Option(
        "--tokens", readable=False, help="Folder of the tokens. Default: beside the store."
    ),
]


def serve(
    host: Annotated[
        str, typer.Option(help="Where to listen. Others than this machine need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8765,
    public_name: Annotated[
        list[str] | None,
        typer.Option(help="A name under which it is reached, as through a proxy; repeatable."),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes.")] = 1,
    audit: Annotated[
        Path | None, typer.Option(readable=False, help="Folder of the audit to show.")
    ] = None,
    keep_audio: Annotated[
        Path | None,
        typer.Option(readable=False, help="Keep enrolled clips, sealed with this key file."),
    ] = None,
    tokens: TokensOption = None,
    model: ModelOption = None,
    store: StoreOption = None,
) -> None:
    """Serve the page and the HTTP interface, on this machine alone unless told otherwise."""
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise no_serve()
    from spkid.serve.run import run
    from spkid.serve.settings import Settings

    place = store_place(store)
    settings = Settings(
        place,
        model=model,
        host=host,
        port=port,
        public_names=tuple(public_name or ()),
        tokens=str(tokens) if tokens else None,
        audit=str(audit) if audit else None,
        key=str(keep_audio) if keep_audio else None,
        workers=workers,
    )

    def ready(url: str) -> None:
        echo(f"spkid serves on {url}")
        if settings.is_wide:
            say("Without TLS, whoever is on the network can listen: put a proxy in front.")

    run(settings, ready)


def no_serve() -> SpkidError:
    """The extra is not installed."""
    return SpkidError(
        "no fastapi or uvicorn",
        expected="the serve extra",
        do="run: pip install 'spkid[serve]'",
        code="no_serve",
    )


def tokens_at(tokens: Path | None, store: str | None) -> Tokens:
    """The folder's tokens."""
    from spkid.serve.settings import tokens_beside
    from spkid.serve.tokens import Tokens

    return Tokens(tokens or tokens_beside(store_place(store)))


@token.command("add")
def add_token(
    household: Annotated[
        str | None, typer.Option(help="For this household, which need not be there yet.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="For all of the service.")] = False,
    auditor: Annotated[bool, typer.Option("--auditor", help="For the audit alone.")] = False,
    label: Annotated[str, typer.Option(help="Whose it is, such as 'kitchen tablet'.")] = "",
    per_minute: Annotated[int, typer.Option(help="Requests a minute.")] = 600,
    tokens: TokensOption = None,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a token; it is shown once, and only its digest is kept."""
    if (household is not None) + everything + auditor != 1:
        raise SpkidError(
            "a token for nobody, or for several",
            expected="one of --household, --all and --auditor",
            do="choose one",
        )
    own = tokens_at(tokens, store)
    if household is not None:
        text, made = own.add("household", household=household, label=label, per_minute=per_minute)
    else:
        scope = "all" if everything else "auditor"
        text, made = own.add(scope, label=label, per_minute=per_minute)  # type: ignore[arg-type]
    if as_json:
        print_json({"token": text, **row_of(made)})
        return
    echo(text)
    say(f"Keep it: it is not shown again. 'spkid token revoke {made.id}' ends it.")


@token.command("list")
def list_tokens(
    tokens: TokensOption = None, store: StoreOption = None, as_json: JsonFlag = False
) -> None:
    """Say which tokens there are, without the tokens themselves."""
    rows = [row_of(each) for each in tokens_at(tokens, store).known()]
    if as_json:
        print_json(rows)
        return
    columns = ("id", "scope", "household", "label", "a minute", "made at")
    print_table("Tokens", columns, [tuple(row.values()) for row in rows])


@token.command("revoke")
def revoke_token(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="An id in 'spkid token list'.")],
    tokens: TokensOption = None,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """End a token at once, in services that run too."""
    ended = tokens_at(tokens, store).revoke(token_id)
    if as_json:
        print_json(row_of(ended))
    else:
        echo(f"{ended.id} has ended.")


def row_of(made: Token) -> dict[str, str | int]:
    """A token by column, without its digest."""
    return {
        "id": made.id,
        "scope": made.scope,
        "household": made.household,
        "label": made.label,
        "per_minute": made.per_minute,
        "made_at": made.made_at,
    }
