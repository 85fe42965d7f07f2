"""Kept clips, moving to another model, and the archive of a person's data."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest

from enrollment import Store
from enrollment.export import export_member
from enrollment.profile import Consent, Exemplar
from enrollment.reembed import reembed
from enrollment.store.vault import SEAL, KeptClip, Vault, from_flac, to_flac
from spkid import SpkidError

VOICE_ONLY = Consent("Ana")
WITH_AUDIO = Consent("Ana", audio_text="keep the clips")


@pytest.fixture
def store(place):
    with Store.open(place) as opened:
        yield opened


@pytest.fixture
def vault(tmp_path):
    return Vault.load(tmp_path / "key", create=True)


class Turned:
    """Another model: a vector from the clip's spectrum."""

    fingerprint = "m2"

    def embed(self, waveform: np.ndarray) -> np.ndarray:
        vector = np.abs(np.fft.rfft(waveform))[:192].astype(np.float32)
        return vector / np.linalg.norm(vector)


def waveform(seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=8_000) / 10).astype(np.float32)


def exemplar(seed: int) -> Exemplar:
    vector = np.random.default_rng(seed).normal(size=192).astype(np.float32)
    return Exemplar(vector / np.linalg.norm(vector), f"digest-{seed}", 4.0, 30.0, device="hall")


def add(store, member: str, *seeds: int, vault=None, consent=WITH_AUDIO, household="home"):
    return store.add(
        household,
        member,
        [exemplar(seed) for seed in seeds],
        model="m1",
        consent=consent,
        vault=vault,
        recordings={f"digest-{seed}": to_flac(waveform(seed)) for seed in seeds} if vault else {},
    )


def test_a_clip_comes_back_from_its_file():
    np.testing.assert_allclose(from_flac(to_flac(waveform(1))), waveform(1), atol=1 / 32_000)
    assert np.abs(from_flac(to_flac(3 * np.ones(100, dtype=np.float32)))).max() <= 1


def test_a_vault_opens_what_it_sealed_and_as_that_clip_only(vault, tmp_path):
    clip = KeptClip("a store", member_id=3, digest="d", exemplar_id=7)
    sealed = vault.seal(b"a voice", clip)
    assert b"a voice" not in sealed
    assert vault.seal(b"a voice", clip) != sealed  # a nonce of its own
    again = Vault.load(tmp_path / "key")
    assert again.open(sealed, clip) == b"a voice"
    assert again.key_id == vault.key_id
    other = Vault.load(tmp_path / "other", create=True)
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for opener, data, taken_for in (
        (vault, sealed, dataclasses.replace(clip, store_id="another")),
        (vault, sealed, dataclasses.replace(clip, member_id=4)),
        (vault, sealed, dataclasses.replace(clip, digest="e")),
        (vault, sealed.removeprefix(SEAL), clip),  # taken for one of an older schema
        (other, sealed, clip),
        (vault, changed, clip),
        (vault, b"short", clip),
    ):
        with pytest.raises(SpkidError) as caught:
            opener.open(data, taken_for)
        assert caught.value.code == "bad_key"


def test_a_key_file_is_private_kept_and_checked(vault, tmp_path):
    key = tmp_path / "key"
    assert key.stat().st_mode & 0o077 == 0
    before = key.read_text()
    assert Vault.load(key, create=True).key_id == vault.key_id
    assert key.read_text() == before
    key.write_text("too short")
    for path in (key, tmp_path / "none", tmp_path):
        with pytest.raises(SpkidError) as caught:
            Vault.load(path)
        assert caught.value.code == "bad_key"


def test_clips_are_kept_only_with_consent_for_that(store, vault):
    with pytest.raises(SpkidError) as caught:
        add(store, "Ana", 1, vault=vault, consent=VOICE_ONLY)
    assert caught.value.code == "no_consent"
    assert store.members() == []
    (clip,) = add(store, "Ana", 1, vault=vault).exemplars
    assert set(store.consents("home", "Ana")) == {"voice", "audio"}
    assert store.consents("home", "Ana")["audio"].text == "keep the clips"
    np.testing.assert_allclose(
        from_flac(store.recording(clip.id, vault)), waveform(1), atol=1 / 32_000
    )
    (unkept,) = add(store, "Ben", 2, consent=VOICE_ONLY).exemplars
    assert store.recording(unkept.id, vault) is None


def test_kept_audio_goes_with_its_clip(store, vault):
    first, second = add(store, "Ana", 1, 2, vault=vault).exemplars
    store.forget("home", "Ana", clips=[first.id])
    assert store.recording(first.id, vault) is None
    assert store.recording(second.id, vault) is not None


def test_sealed_audio_leaves_no_bytes_after_forget(tmp_path, vault):
    path = tmp_path / "home" / "s.sqlite3"
    with Store.open(path) as store:
        (clip,) = add(store, "Ana", 1, vault=vault).exemplars
        sealed = store._database.read(
            lambda connection: connection.exec_driver_sql(
                "SELECT sealed FROM kept_audio"
            ).scalar_one()
        )
        middle = sealed[2000:2100]  # on a page of its own
        files = [file for file in path.parent.rglob("*") if file.is_file()]
        assert any(middle in file.read_bytes() for file in files)
        assert store.forget("home", "Ana").log_emptied
        files = [file for file in path.parent.rglob("*") if file.is_file()]
        everything = b"".join(file.read_bytes() for file in files)
    assert middle not in everything
    assert clip.vector.tobytes() not in everything


def test_a_store_moves_where_audio_was_kept_and_lists_the_others(store, vault, tmp_path):
    old = add(store, "Ana", 1, 2, vault=vault)
    add(store, "Ana", 3)  # this clip alone was not kept
    add(store, "Ben", 4, consent=VOICE_ONLY)
    store.set_calibration("home", "{}")
    other = Vault.load(tmp_path / "other", create=True)
    add(store, "Cleo", 5, vault=other)
    assert {move.outcome for move in reembed(store, Turned(), None)} == {"enroll_again"}
    moves = reembed(store, Turned(), vault)
    assert [(move.member, move.outcome, move.n_moved, move.n_left) for move in moves] == [
        ("Ana", "moved", 2, 1),
        ("Ben", "enroll_again", 0, 0),
        ("Cleo", "enroll_again", 0, 0),
    ]
    assert moves[1].reason == "no audio was kept"
    assert "key" in moves[2].reason
    ana, ben, _ = store.members()
    assert (ana.model, ben.model) == ("m2", "m1")
    assert ana.consent_at == old.consent_at
    for clip, seed in zip(ana.exemplars, (1, 2), strict=True):
        kept = from_flac(to_flac(waveform(seed)))
        expected = Turned().embed(kept - kept.mean())
        np.testing.assert_allclose(clip.vector, expected, atol=1e-6)
        assert (clip.digest, clip.device, clip.speech_s) == (f"digest-{seed}", "hall", 4.0)
        assert clip.id not in {before.id for before in old.exemplars}
        assert store.recording(clip.id, vault) == to_flac(waveform(seed))
    assert store.calibration("home") is None
    assert [move.member for move in reembed(store, Turned(), vault)] == ["Ben", "Cleo"]


def test_a_profile_changed_meanwhile_is_not_replaced(store, vault):
    seen = add(store, "Ana", 1, 2, vault=vault)
    store.forget("home", "Ana", clips=[seen.exemplars[0].id])
    with pytest.raises(SpkidError) as caught:
        store.replace(seen, list(seen.exemplars), model="m2", recordings={}, vault=vault)
    assert caught.value.code == "changed_meanwhile"
    assert store.members()[0].model == "m1"


def test_an_archive_holds_everything_of_one_person(store, vault, tmp_path):
    ana = add(store, "Ana", 1, 2, vault=vault)
    add(store, "Ben", 3)
    path = tmp_path / "ana.zip"
    assert len(export_member(store, "home", "Ana", path, vault=vault)) == 5
    assert path.stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob("*.part"))
    with zipfile.ZipFile(path) as archive:
        profile = json.loads(archive.read("profile.json"))
        rows = list(csv.DictReader(io.StringIO(archive.read("clips.csv").decode())))
        sound = archive.read(f"audio/{ana.exemplars[1].id}.flac")
    assert (profile["member"], profile["household"], profile["model"]) == ("Ana", "home", "m1")
    assert profile["consents"]["voice"]["given_at"] == ana.consent_at
    np.testing.assert_array_equal(
        np.array(profile["clips"][0]["vector"], dtype=np.float32), ana.exemplars[0].vector
    )
    assert [row["digest"] for row in rows] == ["digest-1", "digest-2"]
    np.testing.assert_allclose(from_flac(sound), waveform(2), atol=1 / 32_000)
    assert "Ben" not in json.dumps(profile)


def test_an_archive_without_the_key_has_no_audio_and_errors_are_clear(store, vault, tmp_path):
    add(store, "Ana", 1, vault=vault)
    names = export_member(store, "home", "Ana", tmp_path / "a.zip")
    assert not any(name.startswith("audio") for name in names)
    for member, path in (("Zoe", tmp_path / "z.zip"), ("Ana", tmp_path / "none" / "a.zip")):
        with pytest.raises(SpkidError):
            export_member(store, "home", member, path)
        assert not path.exists()
