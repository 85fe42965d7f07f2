"""2: a constant offset made clean speech "too noisy"; it is taken out of all that is judged."""

from __future__ import annotations

import numpy as np
import pytest

from spkid.audio.speech import assess
from spkid.encoder.hearing import hear


@pytest.mark.parametrize("offset", [0.03, 0.1, -0.3])
def test_an_offset_changes_nothing(home, model, voice, offset):
    shifted = voice + np.float32(offset)
    plain, heard = assess(voice), assess(shifted)
    assert heard.verdict == "ok"
    assert heard.snr_db == pytest.approx(plain.snr_db, abs=0.1)
    assert heard.speech_s == pytest.approx(plain.speech_s, abs=0.05)
    assert heard.level_dbfs == pytest.approx(plain.level_dbfs, abs=0.01)
    assert hear(shifted, model.encoder).vector @ hear(voice, model.encoder).vector > 0.999
    decision = home.identify(shifted)
    assert decision.member == "Ana"
    assert decision.cosine == pytest.approx(home.identify(voice).cosine, abs=1e-3)


def test_a_file_is_embedded_without_its_offset(model, voice, tmp_path):
    import soundfile

    files = [tmp_path / "plain.wav", tmp_path / "shifted.wav"]
    for file, offset in zip(files, (0, 0.2), strict=True):
        soundfile.write(file, voice + offset, 16_000, subtype="FLOAT")
    first, second = (model.encoder.embed_file(file) for file in files)
    assert first @ second > 0.999
