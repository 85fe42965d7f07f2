"""What is about the service itself: health, what it is, metrics, a backup, the latest audit."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fastapi import APIRouter, Request, Response

from enrollment import inbox
from enrollment.profile import (
    AUDIO_CONSENT_TEXT,
    CONSENT_TEXT,
    CONSENT_VERSION,
    ENROLL_SPEECH_S,
    MAX_EXEMPLARS,
    WANTED_CLIPS,
    WANTED_SPEECH_S,
)
from spkid import __version__
from spkid.audio.speech import MATCH_SPEECH_S
from spkid.errors import SpkidError
from spkid.files import open_regular
from spkid.serve.access import ANYBODY, Serving, add, caller_of
from spkid.serve.answers import ConsentTexts, Health, LimitsShown, ServiceShown

router = APIRouter(tags=["service"])
SQLITE = "application/vnd.sqlite3"
PROMETHEUS = "text/plain; version=0.0.4"
REPORT_SECURITY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
)


def _content(kind: str, **schema: str) -> dict[int | str, dict[str, object]]:
    return {200: {"content": {kind: {"schema": schema or {}}}}}


@add(router, "GET", "/health", scopes=(), codes=("busy",), response_model=Health)
async def health(service: Serving) -> Health:
    """Whether the service and its store answer."""
    await service.writing.run(service.store.last_sequence)
    return Health(status="ok")


@add(router, "GET", "/service", scopes=ANYBODY, response_model=ServiceShown)
async def show_service(request: Request, service: Serving) -> ServiceShown:
    """What the service is, what this caller may do, and the words that people agree to."""
    caller, limits = caller_of(request), service.limits
    return ServiceShown(
        version=__version__,
        model=service.model.fingerprint,
        scope=caller.scope,
        household=caller.household or None,
        token_required=service.settings.is_wide,
        keeps_audio=service.vault is not None,
        has_audit=service.settings.audit is not None,
        limits=LimitsShown(
            upload_bytes=limits.upload_bytes,
            clip_s=limits.clip_s,
            recording_s=limits.recording_s,
            enroll_speech_s=ENROLL_SPEECH_S,
            match_speech_s=MATCH_SPEECH_S,
            wanted_speech_s=WANTED_SPEECH_S,
            wanted_clips=WANTED_CLIPS,
            max_clips=MAX_EXEMPLARS,
        ),
        consent=ConsentTexts(
            version=CONSENT_VERSION,
            voice=CONSENT_TEXT,
            audio=AUDIO_CONSENT_TEXT if service.vault else "",
            inbox=inbox.CONSENT_TEXT,
        ),
    )


@add(
    router,
    "GET",
    "/metrics",
    scopes=("all",),
    response_class=Response,
    responses=_content("text/plain", type="string"),
)
async def metrics(service: Serving) -> Response:
    """Counts and times for Prometheus, without any names."""
    return Response(service.metrics.text(), media_type=PROMETHEUS)


@add(
    router,
    "POST",
    "/backup",
    scopes=("all",),
    codes=("on_server",),
    response_class=Response,
    responses=_content(SQLITE, type="string", format="binary"),
)
async def backup(request: Request, service: Serving) -> Response:
    """A copy of the whole store, read and checked, while others go on."""

    def work() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "backup.sqlite3"
            service.store.backup(path)
            return path.read_bytes()

    content = await service.recordings.run(work, request)
    headers = {"Content-Disposition": 'attachment; filename="spkid-backup.sqlite3"'}
    return Response(content, media_type=SQLITE, headers=headers)


@add(
    router,
    "GET",
    "/audit",
    scopes=("all", "auditor"),
    codes=("no_audit",),
    response_class=Response,
    responses=_content("application/json"),
)
async def audit(request: Request, service: Serving) -> Response:
    """The latest audit, as JSON."""
    content = await service.writing.run(
        lambda: audit_file(service.settings.audit, "audit.json"), request
    )
    return Response(content, media_type="application/json")


@add(
    router,
    "GET",
    "/audit/report",
    scopes=("all", "auditor"),
    codes=("no_audit",),
    response_class=Response,
    responses=_content("text/html", type="string"),
)
async def audit_report(request: Request, service: Serving) -> Response:
    """The latest audit, as a page for people; it may run nothing."""
    content = await service.writing.run(
        lambda: audit_file(service.settings.audit, "audit.html"), request
    )
    headers = {"Content-Security-Policy": REPORT_SECURITY}
    return Response(content, media_type="text/html", headers=headers)


def audit_file(folder: str | None, name: str) -> bytes:
    """A file of the audit's folder.

    Raises
    ------
    SpkidError
        If there is none.
    """
    try:
        if folder is not None:
            with open_regular(Path(folder) / name) as file:
                return file.read()
    except OSError:
        pass
    raise SpkidError(
        "no audit",
        expected="a service that was started with --audit FOLDER",
        do="run 'spkid audit' and start the service with its folder",
        code="no_audit",
    )
