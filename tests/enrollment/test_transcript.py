"""Names onto transcripts: each format comes out as it went in, with who speaks."""

from __future__ import annotations

import json

import pytest

from enrollment.timeline import Segment
from enrollment.transcript import named_transcript, speaker_of
from spkid.errors import SpkidError

SEGMENTS = (
    Segment(0.0, 4.0, "Ana", "known", 0.9),
    Segment(3.5, 8.0, "Ben & Co <1>", "known", 0.9),
    Segment(9.0, 11.0, None, "unknown", 0.8),
    Segment(12.0, 14.0, None, "doubtful", None),
)


@pytest.fixture
def named(tmp_path):
    def of(content):
        path = tmp_path / "transcript"
        path.write_bytes(content.encode())
        return named_transcript(path, SEGMENTS)

    return of


@pytest.mark.parametrize(
    ("start_s", "end_s", "who"),
    [
        (0.5, 3.0, "Ana"),
        (2.0, 4.5, "Ana"),  # 2 s of Ana, 1 s of Ben: less than half
        (3.4, 4.1, "Ana & Ben & Co <1>"),  # both for most of it
        (7.0, 10.5, "unknown"),
        (8.2, 8.8, None),
        (12.5, 13.0, None),
        (4.0, 4.0, None),
    ],
)
def test_who_speaks_longest_is_the_speaker(start_s, end_s, who):
    assert speaker_of(SEGMENTS, start_s, end_s) == who


def test_subrip_has_the_name_before_the_text(named):
    srt = (
        "1\r\n00:00:00,500 --> 00:00:03,000\r\nGood morning.\r\nAll of you.\r\n\r\n"
        "2\r\n00:00:09,000 --> 00:00:11,000\r\n7 --> 8\r\n\r\n"
        "3\r\n00:00:12,000 --> 00:00:13,000\r\nHm.\r\n\r\n"
        "4\r\n00:00:01,000 --> 00:00:02,000\r\n\r\n"
    )
    expected = srt.replace("Good", "Ana: Good").replace("7 -->", "unknown: 7 -->")
    assert named(srt) == expected
    assert named("\ufeff" + srt) == "\ufeff" + expected


def test_webvtt_has_the_voice_of_the_cue(named):
    vtt = (
        "WEBVTT - a meeting\n\nNOTE 00:01 is early\n\nintro\n"
        "00:01.000 --> 00:03.000 align:start\n<i>Good</i> morning.\n\n"
        "01:00:05.000 --> 01:00:07.000\nlater\n\n"
        "00:00:05.000 --> 00:00:07.000\nBen here.\n\n"
        "00:00:05.000 --> 00:00:07.000\n<v Eve>named before\n"
    )
    assert named(vtt) == vtt.replace("<i>", "<v Ana><i>").replace(
        "Ben here", "<v Ben &amp; Co &lt;1&gt;>Ben here"
    )


def test_whisperx_has_the_speaker_of_segments_and_words(named):
    words = [{"word": "Good", "start": 0.6, "end": 0.9, "score": 0.8}, {"word": "1"}]
    segments = [
        {"start": 0.5, "end": 3.0, "text": " Good 1", "words": words},
        {"start": 12.0, "end": 13, "text": "Hm é", "speaker": "SPEAKER_07", "words": None},
    ]
    content = {"segments": segments, "word_segments": words[:1], "language": "en"}
    found = json.loads(named(json.dumps(content)))
    assert found["segments"][0].pop("speaker") == "Ana"
    assert found["segments"][0]["words"][0].pop("speaker") == "Ana"
    assert found["word_segments"][0].pop("speaker") == "Ana"
    assert found == content


@pytest.mark.parametrize(
    "content", ["", "only words", "{", '{"text": "no segments"}', "[1, 2]", "\x00\x01"]
)
def test_what_is_no_transcript_is_refused(named, content):
    with pytest.raises(SpkidError, match="transcript") as caught:
        named(content)
    assert caught.value.code == "not_a_transcript"


def test_a_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(SpkidError, match=r"none\.srt"):
        named_transcript(tmp_path / "none.srt", SEGMENTS)
