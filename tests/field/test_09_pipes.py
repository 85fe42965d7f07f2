"""9: ``-``, ``/dev/stdin`` and ``<(...)`` were refused; a program pipes sound."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spkid.audio import sources
from spkid.audio.reading import load_audio
from spkid.errors import SpkidError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shell(home, tmp_path):
    """Run a line of bash in which ``spkid`` is this spkid, on the home's store."""

    def run(line: str) -> tuple[int, str]:
        code = "import sys; sys.argv[0] = 'spkid'; from spkid.cli.main import main; main()"
        command = shlex.join([sys.executable, "-c", code])
        environment = {
            **os.environ,
            "SPKID_STORE": str(tmp_path / "store.sqlite3"),
            "PYTHONPATH": str(ROOT),
        }
        result = subprocess.run(
            ["bash", "-c", f'spkid() {{ {command} "$@"; }}\n{line}'],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        return result.returncode, result.stdout + result.stderr

    return run


def test_every_command_that_hears_takes_a_pipe(shell, path, cast):
    clip, other = shlex.quote(str(path)), shlex.quote(str(cast["Leo"]["enroll"][0]))
    for line, status in {
        f"cat {clip} | spkid identify - --json": 0,
        f"spkid identify --json /dev/stdin < {clip}": 0,
        f"cat {clip} | spkid identify --json /dev/stdin": 0,
        f"spkid identify --json <(cat {clip})": 0,
        f"cat {clip} | spkid verify - --household home --member Ana": 0,
        f"cat {clip} | spkid verify - <(cat {other})": 1,
        f"cat {clip} | spkid timeline - --household home --json": 0,
        f"cat {other} | spkid enroll - --household home --member Leo --consent": 0,
    }.items():
        code, printed = shell(line)
        assert code == status, f"{line}: {printed}"
        if "identify" in line:
            assert json.loads(printed)[0]["member"] == "Ana"
        if "timeline" in line:
            assert {part["who"] for part in json.loads(printed)["segments"]} == {"Ana"}


def test_a_manifest_may_name_a_pipe(shell, path, tmp_path):
    (tmp_path / "clips.csv").write_text(f"path\n-\n{path}\n")
    out = tmp_path / "vectors.npz"
    command = f"spkid embed {tmp_path / 'clips.csv'} --root {tmp_path} --out {out}"
    code, printed = shell(f"cat {shlex.quote(str(path))} | {command}")
    assert code == 0, printed
    with np.load(out) as table:
        assert list(table["paths"]) == ["-", str(path)]
        assert table["embeddings"][0] @ table["embeddings"][1] > 0.9999


def test_clips_from_a_pipe_are_kept_whole(home, cast, tmp_path):
    """What is enrolled and sealed is what was judged: a pipe cannot be read again."""
    from enrollment.store.vault import Vault, from_flac

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = cast["Leo"]["enroll"][0].read_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    vault = Vault.load(tmp_path / "key", create=True)
    (clip,) = home.enroll("Leo", [pipe], consent=True, vault=vault).member.exemplars
    writer.join()
    kept = from_flac(home.store.recording(clip.id, vault))
    np.testing.assert_allclose(kept, load_audio(content), atol=1e-4)


def test_nothing_piped_in_is_an_error_and_too_much_too(shell, path, monkeypatch, tmp_path):
    code, printed = shell("spkid identify - --household home < /dev/null")
    assert (code, "standard input: an empty file" in printed) == (2, True)
    code, printed = shell("spkid identify /dev/zero --household home")
    assert (code, "neither a file nor a pipe" in printed) == (2, True)
    monkeypatch.setattr(sources, "LARGEST_STREAM_BYTES", 2**20)
    read_end, write_end = os.pipe()
    endless = threading.Thread(target=write_all, args=(write_end,))
    endless.start()
    with pytest.raises(SpkidError) as caught, os.fdopen(read_end, "rb") as stream:
        load_audio(stream)
    endless.join()
    assert caught.value.code == "too_long"


def write_all(descriptor: int) -> None:
    """Zeros until nobody reads them any more."""
    with os.fdopen(descriptor, "wb", buffering=0) as pipe:
        try:
            while True:
                pipe.write(bytes(2**16))
        except BrokenPipeError:
            pass


def test_a_long_wav_in_a_pipe_is_the_file(voice, tmp_path):
    file = tmp_path / "long.wav"
    soundfile.write(file, np.resize(voice, 90 * 16_000), 16_000)
    with file.open("rb") as whole:
        np.testing.assert_array_equal(load_audio(whole), load_audio(file))
