"""The messages about what is heard in a stream."""

from __future__ import annotations

import json

import numpy as np

from enrollment.live import Answer, EarlyAnswer
from enrollment.matching import not_heard
from spkid.audio.events import BadFrame, SpeechBegan
from spkid.serve.streams import message_of


def test_answers_are_as_identify_gives_them_with_their_seconds():
    decision = not_heard("too_short", "model", speech_s=0.4)
    events = [
        Answer(3.456, 1.234, decision, np.ones(9, dtype=np.float32)),
        EarlyAnswer(3.456, 1.234, decision),
    ]
    for kind, event in zip(("answer", "early_answer"), events, strict=True):
        told, fields = message_of("home", event)
        assert told == kind
        assert (fields["start_s"], fields["end_s"]) == (1.23, 3.46)
        assert (fields["household"], fields["status"]) == ("home", "too_short")
        assert "waveform" not in json.dumps(fields)


def test_other_events_have_their_own_fields():
    assert message_of("home", SpeechBegan(1.5)) == ("speech_began", {"at_s": 1.5})
    kind, fields = message_of("home", BadFrame(1.0, "not_finite", "NaN"))
    assert (kind, fields) == ("bad_frame", {"at_s": 1.0, "code": "not_finite", "reason": "NaN"})
