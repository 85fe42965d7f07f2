"""Errors as problem details (RFC 9457), with the codes of the command line."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from enrollment.refusals import SameVoice
from spkid.errors import NotFound, SpkidError
from spkid.shown import visible_json

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
# what is neither the caller's request nor in its hands has a status of its own; all else is 422
STATUSES = {
    "bad_token": 401,
    "wrong_scope": 403,
    "wrong_origin": 403,
    **dict.fromkeys(("unknown_household", "unknown_member", "unknown_clip", "unknown_voice"), 404),
    **dict.fromkeys(("no_audit", "no_route"), 404),
    "no_method": 405,
    "slow_upload": 408,
    **dict.fromkeys(("same_voice", "same_clip", "name_taken", "same_profile"), 409),
    **dict.fromkeys(("profile_full", "changed_meanwhile", "too_few_members", "overlap"), 409),
    **dict.fromkeys(("other_model", "on_server", "other_store"), 409),
    "too_large": 413,
    "wrong_host": 421,
    "too_many_requests": 429,
    **dict.fromkeys(("model", "not_calibrated", "damaged_store", "no_token", "unforeseen"), 500),
    **dict.fromkeys(("overloaded", "busy", "lost", "unsure", "disk_full", "read_only"), 503),
    **dict.fromkeys(("store_moved", "no_store", "unusable_store", "stale_log"), 503),
}
RETRIED = (429, 503)

logger = logging.getLogger("spkid.serve")


def status_of(code: str) -> int:
    """The HTTP status of an error's code."""
    return STATUSES.get(code, 422)


def problem_of(error: SpkidError) -> dict[str, Any]:
    """The error as a problem; that a household is not there never says which ones are."""
    shown = no_household() if error.code == "unknown_household" else error
    status = status_of(shown.code)
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": str(shown),
        "code": shown.code,
        "got": shown.got,
        "expected": shown.expected,
        "do": shown.do,
        **({"sounds_like": shown.sounds_like} if isinstance(shown, SameVoice) else {}),
    }


def headers_of(status: int) -> dict[str, str]:
    """What goes with a status beside its body."""
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": str(RETRY_AFTER_S)} if status in RETRIED else {}


def response_of(error: SpkidError, extra: Mapping[str, str] | None = None) -> Response:
    """The error as an HTTP answer."""
    problem = problem_of(error)
    content = visible_json(json.dumps(problem, ensure_ascii=False, allow_nan=False))
    headers = {**headers_of(problem["status"]), **(extra or {})}
    return Response(content, problem["status"], headers, CONTENT_TYPE)


def no_household() -> NotFound:
    """No household for this caller: one that is not there and one of others are told the same."""
    return NotFound(
        "an unknown household",
        expected="one that is there and that your token is for",
        do="check the name and the token, or enroll somebody",
        code="unknown_household",
    )


def unforeseen(error: Exception) -> SpkidError:
    """What is said of an error that nobody thought of: its kind, and nothing that it holds."""
    return SpkidError(
        f"an error in spkid itself: {type(error).__name__}",
        expected="none",
        do="report it, with the lines of the log",
        code="unforeseen",
    )


def log_unforeseen(error: BaseException) -> None:
    """Where it happened; the error's own text may hold a name or a voice, and is left out."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        places.append(f"{file.parent.name}/{file.name}:{trace.tb_lineno}")
        trace = trace.tb_next
    logger.error("unforeseen: %s at %s", type(error).__name__, " < ".join(reversed(places)))


def answer_errors(app: FastAPI) -> None:
    """Let ``app`` tell every error as a problem."""

    @app.exception_handler(SpkidError)
    async def _(request: Request, error: SpkidError) -> Response:
        if status_of(error.code) >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.warning("%s on %s", error.code, request.method)
        return response_of(error)

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = " ".join(str(part) for part in first["loc"])
        return response_of(bad_request(f"{place}: {first['msg']}"))

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> Response:
        if error.status_code == HTTPStatus.NOT_FOUND:
            return response_of(
                SpkidError(
                    "no such path",
                    expected="one of /api/v1/openapi.json",
                    do="correct the address",
                    code="no_route",
                )
            )
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            refused = SpkidError(
                f"{request.method} on this path",
                expected="a method of /api/v1/openapi.json",
                do="correct the call",
                code="no_method",
            )
            return response_of(refused, error.headers)
        return response_of(bad_request("a body that cannot be read"))

    @app.exception_handler(Exception)
    async def _(request: Request, error: Exception) -> Response:
        log_unforeseen(error)
        return response_of(unforeseen(error))


def bad_request(what: str) -> SpkidError:
    """A request of the wrong shape."""
    return SpkidError(
        what, expected="a request as /api/v1/openapi.json describes it", do="correct the request"
    )
