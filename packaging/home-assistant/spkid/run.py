"""Starts spkid as Home Assistant's options say: the page, and the proxy that tells who spoke.

Options come from a file, the broker from the supervisor's API, which also tells Home Assistant
where the proxy is: https://developers.home-assistant.io/docs/add-ons/communication
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

OPTIONS = Path(os.environ.get("SPKID_OPTIONS", "/data/options.json"))
SUPERVISOR = os.environ.get("SPKID_SUPERVISOR", "http://supervisor")
PORT = 10310


def ask(path: str, content: Any = None) -> Any:
    """The supervisor's answer."""
    headers = {"Authorization": f"Bearer {os.environ['SUPERVISOR_TOKEN']}"}
    body = None if content is None else json.dumps(content).encode()
    request = Request(SUPERVISOR + path, body, headers | {"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        return json.load(answer).get("data")


def wyoming(options: dict[str, Any], broker: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """The command of the proxy, and what goes into its environment."""
    scheme = "mqtts" if broker.get("ssl") else "mqtt"
    user = f"{quote(broker['username'], safe='')}@" if broker.get("username") else ""
    command = [
        "spkid", "wyoming",
        "--household", options["household"],
        "--to", options["speech_to_text"],
        "--listen", f"tcp://0.0.0.0:{PORT}",
        "--mqtt", f"{scheme}://{user}{broker['host']}:{broker['port']}",
    ]  # fmt: skip
    if options.get("far"):
        command += ["--far", str(options["far"])]
    return command, {"SPKID_MQTT_PASSWORD": broker.get("password") or ""}


def page() -> list[str]:
    """The command of the page; whoever comes from outside needs a token."""
    return ["spkid", "serve", "--host", "0.0.0.0", "--public-name", "homeassistant.local"]


def main() -> int:
    """Run both until one of them ends, which ends the other."""
    options = json.loads(OPTIONS.read_text())
    command, secret = wyoming(options, ask("/services/mqtt"))
    running = [
        subprocess.Popen(command, env={**os.environ, **secret}),
        subprocess.Popen(page()),
    ]
    signal.signal(signal.SIGTERM, lambda *_: [each.terminate() for each in running])
    own = f"tcp://{socket.gethostname()}:{PORT}"
    ask("/discovery", {"service": "wyoming", "config": {"uri": own}})
    while all(each.poll() is None for each in running):
        time.sleep(0.2)
    for each in running:
        each.terminate()
    return max(abs(each.wait()) for each in running)


if __name__ == "__main__":
    sys.exit(main())
