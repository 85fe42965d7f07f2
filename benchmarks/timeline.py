"""Who spoke when: how much of the speech of simulated homes gets the right name.

    python -m benchmarks.timeline --data DIR --noise DIR --homes N --seed N
    python -m benchmarks.timeline --tune ...

``--data`` holds a manifest.csv and protocols/, ``--noise`` audio files; without them, ``speech``
and ``noise`` in $SPKID_DATA.

A recording is all clips of one home, members' and guests', in random order. Between two clips
is a pause of 0.3 to 2 s; one time in ten, instead, the next clip starts half a second before
the last one ends. Every second recording has a noise of things (not of people) over all of it,
10 to 25 dB below the speech. The homes of the final figures are those of the protocol of new
speakers of speechocean762, of which guests speak half of the time.

**Truth** does not come from the detector that is judged: in the clean clip, chunks of 32 ms
within 25 dB of the 95th percentile of their levels are speech, and so are pauses of up to
0.3 s between them. No collar. In overlaps, either name is right.

**Error** is the share of the speech without the right answer (the member, or ``unknown`` for a
guest), in parts that add up: not noticed, left undecided (doubtful or too short), a member
taken for another, a member taken for a stranger, a stranger taken for a member. To it comes
what is named where nobody speaks, over the same total (false alarm).

``--tune`` tries windows, costs and pauses on homes made of held-out training speakers, whom
the encoder never heard, prints the errors and writes nothing.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.harness.record import RESULTS, write_result
from benchmarks.speed import whole_process
from benchmarks.vad import HUMAN_SOUNDS, chunk_levels_dbfs
from enrollment import Household, Store
from enrollment.timeline import USUAL_SMOOTHING, Judge, Segment, Smoothing, listen, segments_of
from enrollment.turns import stretches
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, load_audio
from spkid.audio.speech import CHUNK_S
from spkid.data.manifest import read_manifest
from spkid.encoder.encoder import SpeakerEncoder
from spkid.training.data.corpus import is_held_out

FRAME_S = 0.01
SPEECH_WITHIN_DB = 25.0
PAUSE_WITHIN_SPEECH_S = 0.3
PAUSE_S = (0.3, 2.0)
OVERLAP_S = 0.5
OVERLAP_SHARE = 0.1
NOISE_BELOW_DB = (10.0, 25.0)
GUEST, NOBODY, UNDECIDED = "<unknown>", "", "<undecided>"
PARTS = (
    "not_noticed",
    "undecided",
    "member_as_other_member",
    "member_as_stranger",
    "stranger_as_member",
)


@dataclass(frozen=True)
class Recording:
    """``truths`` are start, end (s) and who speaks: a member, or GUEST."""

    waveform: Waveform
    truths: list[tuple[float, float, str]]


def spoken(clip: Waveform) -> list[tuple[float, float]]:
    """Start and end of the speech in a clean clip, by its levels alone."""
    levels_dbfs = chunk_levels_dbfs(clip)
    loud = levels_dbfs >= np.quantile(levels_dbfs, 0.95) - SPEECH_WITHIN_DB
    longest = round(PAUSE_WITHIN_SPEECH_S / CHUNK_S)
    return [
        (part.first * CHUNK_S, part.end * CHUNK_S)
        for part in stretches(loud, longest_pause=longest)
    ]


def record(
    clips: list[tuple[str, Waveform]], noise: Waveform | None, rng: np.random.Generator
) -> Recording:
    """The clips one after the other, as described above."""
    starts, position = [], 0
    for _, clip in clips:
        starts.append(position)
        overlaps = rng.random() < OVERLAP_SHARE
        pause_s = -OVERLAP_S if overlaps else rng.uniform(*PAUSE_S)
        position += len(clip) + round(pause_s * SAMPLE_RATE_HZ)
    waveform = np.zeros(max(s + len(c) for s, (_, c) in zip(starts, clips, strict=True)), "f4")
    truths = []
    for start, (who, clip) in zip(starts, clips, strict=True):
        waveform[start : start + len(clip)] += clip
        at_s = start / SAMPLE_RATE_HZ
        truths += [(at_s + first_s, at_s + end_s, who) for first_s, end_s in spoken(clip)]
    if noise is not None:
        below_db = rng.uniform(*NOISE_BELOW_DB)
        gain = np.std(np.concatenate([clip for _, clip in clips])) / np.std(noise)
        waveform += np.resize(noise, len(waveform)) * gain * np.float32(10 ** (-below_db / 20))
    return Recording(waveform, truths)


def frames(spans: list[tuple[float, float, str]], n_frames: int) -> NDArray[np.str_]:
    """Who it is in each frame of 10 ms; later spans go over earlier ones."""
    names = np.full(n_frames, NOBODY, dtype="U40")
    for start_s, end_s, who in spans:
        names[round(start_s / FRAME_S) : round(end_s / FRAME_S)] = who
    return names


def errors(recording: Recording, segments: tuple[Segment, ...]) -> Counter[str]:
    """Seconds of speech, of each part of the error and of false alarm."""
    n_frames = round(len(recording.waveform) / SAMPLE_RATE_HZ / FRAME_S) + 10
    truth = frames(recording.truths, n_frames)
    other = frames(recording.truths[::-1], n_frames)  # differs where two speak at once
    said = {"known": None, "unknown": GUEST, "doubtful": UNDECIDED, "too_short": UNDECIDED}
    spans = [(part.start_s, part.end_s, said[part.status] or part.who) for part in segments]
    answer = frames(spans, n_frames)
    speech, wrong = truth != NOBODY, (answer != truth) & (answer != other)
    missed, undecided = answer == NOBODY, answer == UNDECIDED
    confused = speech & wrong & ~missed & ~undecided
    is_guest, as_guest = truth == GUEST, answer == GUEST
    masks = {
        "speech": speech,
        "not_noticed": speech & missed,
        "undecided": speech & undecided,
        "member_as_other_member": confused & ~is_guest & ~as_guest,
        "member_as_stranger": confused & ~is_guest & as_guest,
        "stranger_as_member": confused & is_guest,
        "false_alarm": ~speech & ~missed & ~undecided,
        "members": speech & ~is_guest,
    }
    return Counter({name: int(mask.sum()) for name, mask in masks.items()})


def shares(counts: Counter[str]) -> dict[str, float]:
    """Parts of the speech, their sum, and the seconds of speech."""
    speech = counts["speech"]
    parts = {name: round(counts[name] / speech, 4) for name in (*PARTS, "false_alarm")}
    total = sum(counts[name] for name in PARTS) / speech
    return {
        "speech_s": round(speech * FRAME_S),
        "share_of_members": round(counts["members"] / speech, 4),
        "error": round(total, 4),
        "error_with_false_alarm": round(total + counts["false_alarm"] / speech, 4),
        **parts,
    }


def homes_to_tune_on(manifest: pd.DataFrame, n_homes: int, seed: int) -> pd.DataFrame:
    """Homes as in the protocols, of training speakers that the encoder never heard."""
    rng = np.random.default_rng(seed)
    table = manifest[(manifest["split"] == "train") & (manifest["corpus"] == "speechocean762")]
    own = {who: list(part["path"]) for who, part in table.groupby("speaker") if is_held_out(who)}
    rows = []
    for size, number in itertools.product((2, 4, 6), range(n_homes)):
        people = list(rng.permutation(sorted(own))[: 2 * size])
        for place, who in enumerate(people):
            paths = list(rng.permutation(own[who])[:8])
            roles = ["enroll"] * 3 + ["member"] * 5 if place < size else ["guest"] * 5
            named = zip(roles, paths, strict=False)
            rows += [(f"t{size}-{number}", size, role, who, path) for role, path in named]
    return pd.DataFrame(rows, columns=["household", "size", "role", "speaker", "path"])


@dataclass(frozen=True)
class Home:
    """One simulated home; ``path`` is the recording's file."""

    n_members: int
    is_noisy: bool
    path: Path
    judge: Judge
    recording: Recording


def simulated(
    protocol: pd.DataFrame, data: Path, noises: list[Path], folder: Path, seed: int
) -> Iterator[Home]:
    """Each home of the protocol enrolled, and its recording written, one after the other."""
    encoder = SpeakerEncoder.load()
    rng = np.random.default_rng(seed)
    for number, (name, home) in enumerate(protocol.groupby("household", sort=False)):
        with Store.open(folder / f"{name}.sqlite3") as store:
            household = Household(store, str(name), encoder=encoder)
            enrolled = home[home["role"] == "enroll"]
            for who, part in enrolled.groupby("speaker"):
                paths = [data / path for path in part["path"]]
                household.enroll(who, paths, consent=True, force=True)
            probes = home[home["role"] != "enroll"].sample(frac=1, random_state=seed + number)
            clips = [
                (row.speaker if row.role == "member" else GUEST, load_audio(data / row.path))
                for row in probes.itertuples()
            ]
            is_noisy = number % 2 == 1
            noise = load_audio(noises[rng.integers(len(noises))]) if is_noisy else None
            recording = record(clips, noise, rng)
            path = folder / f"{name}.flac"
            peak = max(1.0, float(np.abs(recording.waveform).max()))
            soundfile.write(path, recording.waveform / peak, SAMPLE_RATE_HZ)
            members = household.members()
            rate = household.accepted_rate(members, None)
            judge = Judge(members, household.calibration, rate)
            yield Home(int(home["size"].iloc[0]), is_noisy, path, judge, recording)


def chosen_homes(protocol: pd.DataFrame, n_homes: int, seed: int) -> pd.DataFrame:
    """``n_homes`` of each size, drawn at random."""
    names = protocol.drop_duplicates("household").groupby("size")["household"]
    drawn = names.sample(n_homes, random_state=seed)
    return protocol[protocol["household"].isin(set(drawn))]


def tune(homes: list[Home]) -> None:
    """Print the error of each setting, the best last."""
    encoder = SpeakerEncoder.load()
    found = []
    cuts = list(itertools.product((0.3, 0.5), ((1.5, 0.75), (2.0, 1.0), (3.0, 1.0))))
    for pause_s, (window_s, step_s) in track(cuts, description="Tuning"):
        cut = Smoothing(pause_s=pause_s, window_s=window_s, step_s=step_s)
        heard = [listen(home.path, encoder, cut) for home in homes]
        for cost, memory_s, share in itertools.product(
            (2.0, 4.0, 8.0, 16.0), (0.25, 0.5, 1.0, 2.0), (0.25, 0.5)
        ):
            tried = replace(cut, switch_cost=cost, memory_s=memory_s, doubtful_share=share)
            counts: Counter[str] = Counter()
            for home, own in zip(homes, heard, strict=True):
                counts += errors(home.recording, segments_of(own, home.judge, tried))
            figures = shares(counts)
            found.append((figures["error_with_false_alarm"], tried, figures))
    for _, tried, figures in sorted(found, key=lambda row: -row[0])[-12:]:
        print(tried, figures)
    print("as shipped:", *(figures for _, tried, figures in found if tried == USUAL_SMOOTHING))


def score(homes: Iterator[Home], n_homes: int) -> dict[str, dict[str, float]]:
    """The error over all homes, by size, and with and without noise."""
    encoder = SpeakerEncoder.load()
    counts: dict[str, Counter[str]] = {}
    for home in track(homes, total=n_homes, description="Homes"):
        heard = listen(home.path, encoder, USUAL_SMOOTHING)
        own = errors(home.recording, segments_of(heard, home.judge, USUAL_SMOOTHING))
        noise = "noisy" if home.is_noisy else "quiet"
        for row in ("all", f"{home.n_members} members", noise):
            counts[row] = counts.get(row, Counter()) + own
    return {row: shares(counts[row]) for row in sorted(counts)}


def hour_long(folder: Path) -> dict[str, float]:
    """Seconds and peak memory of the command on an hour of one home's recording."""
    recording = min(folder.glob("*.flac"))
    samples = load_audio(recording)
    hour = folder / "hour.wav"
    with soundfile.SoundFile(hour, "w", SAMPLE_RATE_HZ, 1) as file:
        file.write(np.resize(samples, 3600 * SAMPLE_RATE_HZ))
    words = ["timeline", "--household", recording.stem]
    return whole_process(
        [*words, "--store", str(recording.with_suffix(".sqlite3")), str(hour)], n_runs=1
    )


def main() -> None:
    default = Path(os.environ.get("SPKID_DATA", "data"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=default / "speech")
    parser.add_argument("--noise", type=Path, default=default / "noise")
    parser.add_argument("--homes", type=int, default=20, help="homes of each size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tune", action="store_true")
    arguments = parser.parse_args()
    noises = [
        path
        for path in sorted(arguments.noise.glob("*.opus"))
        if not any(f"_{kind}_" in path.name for kind in HUMAN_SOUNDS)
    ]
    if arguments.tune:
        manifest = read_manifest(arguments.data / "manifest.csv")
        protocol = homes_to_tune_on(manifest, arguments.homes, arguments.seed)
    else:
        named = arguments.data / "protocols" / "households_new_speechocean762.csv"
        protocol = chosen_homes(read_manifest(named), arguments.homes, arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        homes = simulated(protocol, arguments.data, noises, folder, arguments.seed)
        if arguments.tune:
            tune(list(homes))
            return
        rows = score(homes, 3 * arguments.homes)
        hour = hour_long(folder)
    figures = {
        "homes_of_each_size": arguments.homes,
        "overlap_share_of_clips": OVERLAP_SHARE,
        "overlap_s": OVERLAP_S,
        "pause_s": PAUSE_S,
        "noise_below_speech_db": NOISE_BELOW_DB,
        "smoothing": asdict(USUAL_SMOOTHING),
        "errors": rows,
        "an_hour": hour,
    }
    command = f"python -m benchmarks.timeline --homes {arguments.homes} --seed {arguments.seed}"
    write_result(RESULTS / "timeline.json", figures, command=command, seed=arguments.seed)
    for row, own in rows.items():
        print(row, own)
    print(hour)


if __name__ == "__main__":
    main()
