"""All that is kept of one person, as an archive that the person can read."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from enrollment.profile import Consent, Member, find_named
from enrollment.refusals import no_member
from enrollment.store.seconds import Seconds
from enrollment.store.store import Store
from enrollment.store.vault import Vault
from spkid.data.cells import protected
from spkid.files import whole_file

CLIP_COLUMNS = (
    "id",
    "added_at",
    "origin",
    "device",
    "speech_s",
    "snr_db",
    "is_narrowband",
    "digest",
)
ANSWER_COLUMNS = (
    *("id", "heard_at", "status", "member", "p_member", "p_stranger", "accepted_rate", "speech_s"),
    *("spoke", "guest", "digest", "model", "expires_on"),
)
README = """What spkid keeps of you.

profile.json  your name here, your household, what you agreed to and when, and for each clip
              the numbers that describe your voice (a vector, or one of each of two models), from
              which nobody can hear you
clips.csv     the clips: when, with which device, how much speech, how far above the noise,
              whether by telephone
answers.csv   the answers that name you, or that your voice was given, where your household agreed
              that they are written down
audio/        the clips themselves, where you agreed that they are kept and the key was given

'spkid forget' deletes all of it.
"""


def export_member(
    store: Store, household: str, member: str, path: str | Path, *, vault: Vault | None = None
) -> list[str]:
    """Write a zip archive of a member's data, for its owner alone to read; the names inside.

    Parameters
    ----------
    vault : Vault or None
        Opens the kept clips; without it they are left out.

    Raises
    ------
    StoreError
        If there is no such member, or the key does not open the clips.
    SpkidError
        If the file cannot be written.
    """
    everybody = store.members(household)
    found = find_named(everybody, member)
    if found is None:
        raise no_member(member, household, [who.name for who in everybody])
    consents = store.consents(found.household, found.name)
    merged = store.merged_consents(found.household, found.name)
    seconds = store.second_vectors(found.household)
    files: dict[str, bytes] = {
        "README.txt": README.encode(),
        "profile.json": _profile(found, seconds, consents, merged).encode(),
        "clips.csv": _table(CLIP_COLUMNS, found.exemplars).encode(),
    }
    answers = [
        row for row in store.decisions.rows(household) if found.name in (row.member, row.spoke)
    ]
    if answers:
        files["answers.csv"] = _table(ANSWER_COLUMNS, answers).encode()
    for clip in found.exemplars:
        recording = None if vault is None else store.recording(clip.id, vault)
        if recording is not None:
            files[f"audio/{clip.id}.flac"] = recording
    with whole_file(path, private=True) as file, zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    return list(files)


def _consent(consent: Consent) -> dict[str, str]:
    return {
        "given_by": consent.given_by,
        "given_at": consent.given_at,
        "version": consent.version,
        "text": consent.text,
    }


def _profile(
    member: Member,
    seconds: Seconds,
    consents: dict[str, Consent],
    merged: list[tuple[str, Consent]],
) -> str:
    clips = []
    for clip in member.exemplars:
        about = dataclasses.asdict(clip)
        about["vector"] = clip.vector.tolist()
        if clip.id in seconds:
            model, vector = seconds[clip.id]
            about["second_model"], about["second_vector"] = model, vector.tolist()
        clips.append(about)
    profile = {
        "household": member.household,
        "member": member.name,
        "age_group": member.age_group,
        "model": member.model,
        "speech_s": member.speech_s,
        "consents": {subject: _consent(consent) for subject, consent in consents.items()},
        "consents_of_merged_profiles": [
            {"subject": subject, **_consent(consent)} for subject, consent in merged
        ],
        "clips": clips,
    }
    return json.dumps(profile, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _table(columns: Sequence[str], rows: Iterable[object]) -> str:
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(protected(getattr(row, column)) for column in columns)
    return table.getvalue()
