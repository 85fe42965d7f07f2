"""19: the digest was of one reading of the file and the vector of another; it is read once."""

from __future__ import annotations

import io

import numpy as np
import pytest

from spkid.audio.reading import load_audio
from spkid.encoder.hearing import digest_of, hear
from spkid.errors import SpkidError


class Changing(io.BytesIO):
    """A file that somebody overwrites whenever it was read to its end."""

    def __init__(self, first: bytes, then: bytes) -> None:
        super().__init__(first)
        self._then = then
        self.n_readings = 0

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        if not piece:
            self.n_readings += 1
            self.seek(0)
            self.truncate()
            self.write(self._then)
        return piece


def test_digest_quality_and_vector_are_of_the_same_samples(model, cast):
    first, then = cast["Ana"]["heard"][0], cast["Ben"]["heard"][0]
    file = Changing(first.read_bytes(), then.read_bytes())
    clip, expected = hear(file, model.encoder), hear(first, model.encoder)
    assert file.n_readings == 1
    assert (clip.digest, clip.quality) == (expected.digest, expected.quality)
    assert clip.digest == digest_of(load_audio(first))
    np.testing.assert_array_equal(clip.vector, expected.vector)


def test_a_file_that_changed_since_it_was_judged_is_not_kept(home, cast, tmp_path):
    from enrollment.store.vault import Vault

    first, then = cast["Leo"]["enroll"][:2]
    file = tmp_path / "clip.opus"
    file.write_bytes(first.read_bytes())
    vault = Vault.load(tmp_path / "key", create=True)
    session = home.session("Leo", consent=True, vault=vault)
    assert session.add(file).accepted
    file.write_bytes(then.read_bytes())
    with pytest.raises(SpkidError, match="changed"):
        session.save()
    assert [member.name for member in home.members()] == ["Ana", "Ben"]
