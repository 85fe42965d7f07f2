"""What packaging/ says of the project is so: paths, options, extras, names."""

from __future__ import annotations

import configparser
import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import typer
import yaml

from spkid import __version__
from spkid.assistants.mqtt import Topics
from spkid.cli.main import app

ROOT = Path(__file__).parents[1]
PACKAGING = ROOT / "packaging"
CONTAINERFILE = PACKAGING / "Containerfile"
UNITS = sorted((PACKAGING / "systemd").glob("*.service"))
ADDON = PACKAGING / "home-assistant" / "spkid"


def lines_of(path):
    """Instructions of a Containerfile, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split(None, 1) for line in text.splitlines() if line.strip()]


def copied():
    """What the Containerfile takes from the checkout."""
    words = [shlex.split(rest) for name, rest in lines_of(CONTAINERFILE) if name == "COPY"]
    return [source for own in words if not own[0].startswith("--") for source in own[:-1]]


def parse(words):
    """Read ``spkid`` words as the command line does, without running the command."""
    group = typer.main.get_command(app)
    name, *rest = words
    with typer.Context(group) as context:
        group.get_command(context, name).make_context(name, list(rest), parent=context)


def tracked(*places):
    listed = subprocess.run(
        ["git", "ls-files", *places], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("no checkout")
    return set(listed.stdout.split("\n")) - {""}


def test_what_the_container_copies_is_there_and_let_through():
    let_through = {
        line[1:]
        for line in (PACKAGING / "Containerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert set(copied()) == let_through
    for place in copied():
        assert tracked(place), place


@pytest.mark.slow
def test_the_package_can_be_built_from_what_the_container_copies(tmp_path):
    source = tmp_path / "source"
    for name in tracked(*copied()):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, source],
        check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert inside == tracked("spkid", "enrollment")


def test_the_container_runs_as_nobody_in_particular_and_asks_for_what_there_is():
    lines = lines_of(CONTAINERFILE)
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    (extras,) = re.findall(r"'\.\[(.*?)\]'", CONTAINERFILE.read_text())
    assert set(extras.split(",")) <= set(settings["options.extras_require"])
    assert [rest for name, rest in lines if name == "USER"] == ["10001"]
    (command,) = (yaml.safe_load(rest) for name, rest in lines if name == "CMD")
    parse(command)


def test_the_linter_of_containers_finds_nothing():
    found = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    files = [CONTAINERFILE, *ADDON.glob("Dockerfile")]
    result = subprocess.run([found, *files], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_services_of_compose_are_hardened_and_parse():
    compose = yaml.safe_load((PACKAGING / "compose.yaml").read_text())
    for service in compose["services"].values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        if "command" in service:
            parse(service["command"])
    build = compose["services"]["serve"]["build"]
    assert (PACKAGING / build["context"] / build["dockerfile"]).resolve() == CONTAINERFILE
    published = compose["services"]["serve"]["ports"]
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_that_there_is(unit):
    (line,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    program, *words = shlex.split(line)
    assert program == "/opt/spkid/bin/spkid"
    parse(words)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_a_unit_and_finds_it_closed(unit, tmp_path):
    here = tmp_path / unit.name
    here.write_text(unit.read_text().replace("/opt/spkid/bin/spkid", sys.executable))
    verified = subprocess.run(
        ["systemd-analyze", "verify", here], capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0, verified.stderr
    assert unit.name not in verified.stderr
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=15", here],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout[-200:]


def test_the_automation_asks_for_entities_that_are_discovered():
    text = (PACKAGING / "home-assistant" / "automation.yaml").read_text()
    yaml.safe_load(text)
    entities = {
        f"{topic.split('/')[1]}."
        + re.sub(r"\W+", "_", f"{content['device']['name']} {content['name']}".lower())
        for topic, content in Topics("home", "command").discovery().items()
    }
    asked = set(re.findall(r"\b(?:sensor|event)\.\w+", text))
    assert asked
    assert asked <= entities
    fields = set(re.findall(r"state_attr\(heard, '(\w+)'\)", text))
    assert fields == {"event_type", "member", "probability"}


@pytest.fixture
def supervisor():
    """A stand-in for Home Assistant's: its address, and what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Authorization"], None))
            self.answer({"host": "core-mosquitto", "port": 1883, "ssl": False,
                         "username": "add ons", "password": "hidden word"})  # fmt: skip

        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, self.headers["Authorization"], json.loads(content)))
            self.answer({})

        def answer(self, data):
            body = json.dumps({"result": "ok", "data": data}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_the_add_on_starts_what_the_options_say_and_ends_with_it(supervisor, tmp_path):
    address, asked = supervisor
    program = tmp_path / "spkid"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, os, sys, time\n"
        "from pathlib import Path\n"
        f"said = Path({str(tmp_path)!r}) / sys.argv[1]\n"
        "words = [sys.argv[1:], os.environ.get('SPKID_MQTT_PASSWORD')]\n"
        "said.with_suffix('.part').write_text(json.dumps(words))\n"
        "said.with_suffix('.part').rename(said)\n"
        "while not Path(said.parent / 'end').exists(): time.sleep(0.05)\n"
        "sys.exit(3 if sys.argv[1] == 'wyoming' else time.sleep(300))\n"
    )
    program.chmod(0o700)
    options = tmp_path / "options.json"
    options.write_text(
        json.dumps({"household": "home", "speech_to_text": "tcp://core-whisper:10300", "far": 0.01})
    )
    running = subprocess.Popen(
        [sys.executable, ADDON / "run.py"],
        env={
            **os.environ,
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "SPKID_OPTIONS": str(options),
            "SPKID_SUPERVISOR": address,
            "SUPERVISOR_TOKEN": "its-token",
        },
    )
    try:
        said = {}
        while len(said) < 2 or len(asked) < 2:
            assert running.poll() is None
            said = {
                name: json.loads((tmp_path / name).read_text())
                for name in ("wyoming", "serve")
                if (tmp_path / name).exists()
            }
        (tmp_path / "end").touch()
        assert running.wait(60) >= 3  # as the one that ended by itself, or by the signal
    finally:
        running.kill()
        running.wait()
    (proxy, password), (page, _) = said["wyoming"], said["serve"]
    parse(proxy)
    parse(page)
    assert password == "hidden word"
    assert "hidden" not in " ".join(proxy)
    assert proxy[proxy.index("--mqtt") + 1] == "mqtt://add%20ons@core-mosquitto:1883"
    assert proxy[proxy.index("--far") + 1] == "0.01"
    assert [path for path, _, _ in asked] == ["/services/mqtt", "/discovery"]
    assert {token for _, token, _ in asked} == {"Bearer its-token"}
    assert asked[1][2]["service"] == "wyoming"
    assert asked[1][2]["config"]["uri"].endswith(":10310")


def test_the_add_on_says_of_itself_what_is_so():
    about = yaml.safe_load((ADDON / "config.yaml").read_text())
    words = yaml.safe_load((ADDON / "translations" / "en.yaml").read_text())
    assert about["version"] == __version__
    assert set(about["schema"]) == {*about["options"], "far"} == set(words["configuration"])
    assert set(about["ports"]) == set(about["ports_description"]) == {"10310/tcp", "8765/tcp"}
    (extras,) = re.findall(r"\$\{wheel\}\[(.*?)\]", (ADDON / "Dockerfile").read_text())
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    assert set(extras.split(",")) <= set(settings["options.extras_require"])


def test_no_cache_goes_along():
    ignored = (PACKAGING / "Containerfile.dockerignore").read_text().splitlines()
    assert any(fnmatch.fnmatch("spkid/__pycache__", line) for line in ignored)
