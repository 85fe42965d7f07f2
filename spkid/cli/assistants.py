"""Commands for voice assistants and programs: wyoming, mcp."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spkid.cli.homes import (
    HomeRateOption,
    HouseholdOption,
    ModelOption,
    StoreOption,
    open_store,
    store_place,
)
from spkid.cli.output import TrustOption, result, say
from spkid.errors import SpkidError

if TYPE_CHECKING:
    from spkid.assistants.answers import Speaker

MQTT_PASSWORD = "SPKID_MQTT_PASSWORD"


def wyoming(
    household: HouseholdOption,
    to: Annotated[
        str, typer.Option(help="The speech-to-text server behind it, such as tcp://whisper:10300.")
    ],
    listen: Annotated[
        str,
        typer.Option(
            help="Where assistants connect; this machine alone unless told otherwise. Port 0: any."
        ),
    ] = "tcp://127.0.0.1:10310",
    mqtt: Annotated[
        str | None,
        typer.Option(
            help="Broker that is told who spoke: mqtt://user@host, or mqtts:// encrypted. "
            f"Its password is read from ${MQTT_PASSWORD}."
        ),
    ] = None,
    wake: Annotated[
        bool,
        typer.Option(
            "--wake",
            help="The server behind it detects wake words; detections carry the speaker's name.",
        ),
    ] = False,
    identify_events: Annotated[
        bool,
        typer.Option(
            "--identify-events",
            help="Answer the events identify, identified and not-identified, which are proposed.",
        ),
    ] = False,
    far: HomeRateOption = None,
    model: ModelOption = None,
    trust_code: TrustOption = False,
    store: StoreOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print who spoke, a line of JSON for each utterance.")
    ] = False,
) -> None:
    """Stand in front of a Wyoming speech-to-text server, and tell who spoke beside it."""
    import asyncio

    try:
        from spkid.assistants.assistant import Assistant, run
    except ImportError as error:
        raise _not_installed("wyoming and aiomqtt", "assistants") from error
    from enrollment.names import tidy_name
    from spkid.assistants.mqtt import Broker
    from spkid.assistants.proxy import Place
    from spkid.assistants.worker import Home

    if not (mqtt or as_json or wake or identify_events):
        raise SpkidError(
            "nobody who is told who spoke",
            expected="--mqtt, --json, --wake or --identify-events",
            do="add one of them",
        )
    password = os.environ.get(MQTT_PASSWORD)
    assistant = Assistant(
        Home(tidy_name(household), store_place(store), model, trust_code, far),
        server=Place.parse(to, "--to"),
        place=Place.parse(listen, "--listen"),
        broker=Broker.parse(mqtt, password=password) if mqtt else None,
        detects=wake,
        identifies=identify_events,
    )

    def tell(speaker: Speaker) -> None:
        if as_json:
            with result():
                sys.stdout.write(json.dumps(speaker.to_json()) + "\n")

    asyncio.run(run(assistant, tell=tell, note=say))


def mcp(
    household: HouseholdOption,
    allow: Annotated[
        list[Path] | None,
        typer.Option(help="A folder whose clips may be heard; may be given several times."),
    ] = None,
    model: ModelOption = None,
    trust_code: TrustOption = False,
    store: StoreOption = None,
) -> None:
    """Let a language model ask who is speaking: an MCP server on standard input and output."""
    try:
        from spkid.assistants.tools import make_server
    except ImportError as error:
        raise _not_installed("mcp", "mcp") from error
    from enrollment.household import Household
    from spkid.scoring.model import Model

    loaded = Model.load(model, trust_code=trust_code)
    with open_store(store) as opened:
        make_server(Household(opened, household, model=loaded), allow or []).run("stdio")


def _not_installed(what: str, extra: str) -> SpkidError:
    return SpkidError(
        f"{what}: not installed",
        expected=f"the {extra} extra",
        do=f"run: pip install 'spkid[{extra}]'",
        code="no_extra",
    )
