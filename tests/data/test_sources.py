"""The same six clips in every layout that we read: always the same speakers and the same files."""

from __future__ import annotations

from pathlib import Path

import pytest

from spkid.data.sources import audio_files, read_source
from spkid.errors import SpkidError

CLIPS = {"ann": ["a1", "a2", "a3"], "bob": ["b1", "b2"], "cyd": ["c1"]}


@pytest.fixture
def folder(tmp_path) -> Path:
    """``voices/speaker/clip.wav``, with files beside them that are no clips."""
    root = tmp_path / "voices"
    for speaker, clips in CLIPS.items():
        (root / speaker).mkdir(parents=True)
        for clip in clips:
            (root / speaker / f"{clip}.wav").touch()
    (root / "README.txt").touch()
    (root / "stray.wav").touch()
    return root


def told(path: Path) -> set[tuple[str, str]]:
    """Speaker and clip of each row, and the files must be there."""
    source = read_source(path)
    files = [source.root / path for path in source.clips["path"]]
    assert all(file.exists() for file in files)
    return {(speaker, f.stem) for speaker, f in zip(source.clips["speaker"], files, strict=True)}


ALL = {(speaker, clip) for speaker, clips in CLIPS.items() for clip in clips}


def test_folder_of_folders(folder):
    assert told(folder) == ALL
    clips = read_source(folder).clips
    assert set(clips["split"]) == {"train"}
    assert set(clips["corpus"]) == {"all"}
    assert clips["span"].isna().all()
    assert list(clips["path"]) == sorted(clips["path"])


def test_voxceleb(tmp_path):
    for speaker, clips in CLIPS.items():
        for number, clip in enumerate(clips):
            path = tmp_path / "wav" / speaker / f"video{number}" / f"{clip}.M4A.wav"
            path.parent.mkdir(parents=True)
            path.touch()
    assert told(tmp_path / "wav") == {(speaker, f"{clip}.M4A") for speaker, clip in ALL}


@pytest.mark.parametrize("by_folder", [True, False])
def test_our_csv(folder, by_folder):
    lines = [f"{speaker}/{clip}.wav,{speaker},dev,home,17" for speaker, clip in sorted(ALL)]
    text = "\n".join(["path,speaker,split,corpus,age", *lines])
    (folder / "manifest.csv").write_text(text)
    place = folder if by_folder else folder / "manifest.csv"
    assert told(place) == ALL
    clips = read_source(place).clips
    assert set(clips["split"]) == {"dev"}
    assert set(clips["corpus"]) == {"home"}
    assert set(clips["age"]) == {"17"}


@pytest.mark.parametrize("absolute", [True, False])
def test_kaldi(folder, absolute):
    root = f"{folder}/" if absolute else ""
    scp = [f"{speaker}-{clip}  {root}{speaker}/{clip}.wav" for speaker, clip in sorted(ALL)]
    (folder / "wav.scp").write_text("\n".join(scp) + "\n\n")
    speakers = [f"{speaker}-{clip} {speaker}" for speaker, clip in sorted(ALL)]
    (folder / "utt2spk").write_text("\n".join([*speakers, "other-x other"]))
    assert told(folder) == ALL
    assert list(read_source(folder).clips["utterance"]) == sorted(f"{s}-{c}" for s, c in ALL)


@pytest.mark.parametrize("root", ["$data_root/", "{data_root}/", "", "absolute"])
def test_speechbrain(folder, root):
    root = f"{folder}/" if root == "absolute" else root
    lines = ["ID,duration,wav,start,stop,spk_id"]
    for speaker, clip in sorted(ALL):
        lines.append(f"{clip},2.0,{root}{speaker}/{clip}.wav,16000,48000,{speaker}")
    lines.append(f"whole,9.0,{root}ann/a1.wav,,,ann")
    (folder / "train.csv").write_text("\n".join(lines))
    assert told(folder / "train.csv") == ALL
    spans = list(read_source(folder / "train.csv").clips["span"])
    assert spans == [(16_000, 48_000)] * 6 + [None]


def faulty(folder: Path, fault: str) -> Path:
    """A layout with one fault, and where it is."""
    texts = {
        "no speaker column": ("x.csv", "path,name\nann/a1.wav,ann\n"),
        "half of speechbrain": ("x.csv", "ID,spk_id\n1,ann\n"),
        "start is a word": ("x.csv", "ID,wav,spk_id,start,stop\n1,ann/a1.wav,ann,one,2\n"),
        "stop before start": ("x.csv", "ID,wav,spk_id,start,stop\n1,ann/a1.wav,ann,9,2\n"),
        "a pipe": ("wav.scp", "u1 sph2pipe -f wav a.sph |\n"),
        "one column": ("wav.scp", "u1\n"),
        "key twice": ("wav.scp", "u1 ann/a1.wav\nu1 ann/a2.wav\n"),
        "nobody for u2": ("wav.scp", "u2 ann/a1.wav\n"),
        "not text": ("wav.scp", "\udcff"),
        "segments": ("wav.scp", "u1 ann/a1.wav\n"),
        "no utt2spk": ("wav.scp", "u1 ann/a1.wav\n"),
    }
    name, text = texts[fault]
    (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    if fault != "no utt2spk":
        (folder / "utt2spk").write_text("u1 ann\n")
    if fault == "segments":
        (folder / "segments").write_text("u1-1 u1 0.0 1.0\n")
    return folder if name == "wav.scp" else folder / name


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("no speaker column", "no column speaker"),
        ("half of speechbrain", "no column wav"),
        ("start is a word", "'one'"),
        ("stop before start", "row 2 goes from sample 9 to 2"),
        ("a pipe", "u1 is a command"),
        ("one column", "'u1' alone"),
        ("key twice", "same key"),
        ("nobody for u2", "nothing on u2"),
        ("not text", "not UTF-8"),
        ("segments", "a segments file"),
        ("no utt2spk", "no such file"),
    ],
)
def test_fault_is_one_sentence(folder, fault, sentence):
    with pytest.raises(SpkidError, match=sentence):
        read_source(faulty(folder, fault))


def test_what_is_no_layout_is_refused_with_the_layouts(tmp_path):
    (tmp_path / "notes.txt").touch()
    (tmp_path / "flat.wav").touch()
    for place in (tmp_path, tmp_path / "notes.txt", tmp_path / "nowhere"):
        with pytest.raises(SpkidError, match="one folder a speaker"):
            read_source(place)


def test_audio_files_are_those_of_any_format_in_order(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b.WAV", "a.opus", "deep/er/c.flac", "deep/d.mp3", "deep/e.txt"):
        (tmp_path / name).touch()
    assert audio_files(tmp_path) == ["a.opus", "b.WAV", "deep/d.mp3", "deep/er/c.flac"]
