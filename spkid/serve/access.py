"""Which scope may call which path: said once, where the path is, and in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import HTTPConnection

from spkid.errors import SpkidError
from spkid.serve.answers import Problem
from spkid.serve.guard import SLASH, Caller
from spkid.serve.problems import CONTENT_TYPE, no_household, status_of
from spkid.serve.service import Service
from spkid.serve.tokens import Scope

Handler = TypeVar("Handler", bound=Callable[..., Any])
IN_DOCUMENT = "x-spkid-scopes"
HOME: tuple[Scope, ...] = ("all", "household")
ANYBODY: tuple[Scope, ...] = ("all", "household", "auditor")
ALWAYS = ("bad_token", "wrong_scope", "wrong_host", "bad_input", "too_many_requests", "overloaded")
ONE_HOME = ("unknown_household",)
ONE_MEMBER = ("unknown_household", "unknown_member")
AUDIO = ("slow_upload", "too_large", "unreadable")


def add(
    router: APIRouter,
    method: str,
    path: str,
    *,
    scopes: tuple[Scope, ...],
    codes: tuple[str, ...] = (),
    audio: str = "",
    **others: Any,
) -> Callable[[Handler], Handler]:
    """Answer ``method`` on ``path`` for callers of these ``scopes``; none: for everybody.

    ``codes`` are errors that may be told; ``audio`` says what the body is, where it is sound.
    """
    told = {status_of(code) for code in (*ALWAYS, *codes, *(AUDIO if audio else ()))}
    document: dict[str, Any] = {IN_DOCUMENT: list(scopes), "responses": problems(told)}
    if audio:
        document["requestBody"] = body_of(audio)
    if not scopes:
        document["security"] = []

    def allowed(connection: HTTPConnection) -> None:
        if scopes and caller_of(connection).scope not in scopes:
            raise wrong_scope()

    return router.api_route(
        path,
        methods=[method],
        dependencies=[Depends(allowed)],
        openapi_extra=document,
        **others,
    )


def problems(statuses: set[int]) -> dict[str, Any]:
    """Answers that are problems, for the document."""
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {
        str(status): {"description": "A problem.", "content": {CONTENT_TYPE: {"schema": schema}}}
        for status in sorted(statuses)
    }


def body_of(audio: str) -> dict[str, Any]:
    """A body that is sound, for the document."""
    file = {"type": "string", "format": "binary", "minLength": 1}
    form = {"type": "object", "properties": {"file": file}, "required": ["file"]}
    kinds = ("audio/wav", "audio/ogg", "application/octet-stream")
    content: dict[str, Any] = {kind: {"schema": file} for kind in kinds}
    return {
        "required": True,
        "description": audio,
        "content": content | {"multipart/form-data": {"schema": form}},
    }


def wrong_scope() -> SpkidError:
    """A token that never may call this."""
    return SpkidError(
        "a token that is not for this",
        expected="one of a scope that the OpenAPI document names here",
        do="ask for another token",
        code="wrong_scope",
    )


def caller_of(connection: HTTPConnection) -> Caller:
    """Who calls, as the guard found out."""
    caller = connection.scope["state"]["caller"]
    assert isinstance(caller, Caller)
    return caller


def service_of(connection: HTTPConnection) -> Service:
    """What all requests share."""
    service = connection.app.state.service
    assert isinstance(service, Service)
    return service


def name_in_path(text: str) -> str:
    """A name as it stands in a path, with its slashes."""
    return text.replace(SLASH, "/")


def visible_home(
    household: Annotated[str, Path(examples=["home"])], connection: HTTPConnection
) -> str:
    """The household in the path, where this caller may be told of it."""
    name = name_in_path(household)
    if not caller_of(connection).may_see(name):
        raise no_household()
    return name


def named_member(member: Annotated[str, Path(examples=["Ana"])]) -> str:
    """The member in the path."""
    return name_in_path(member)


Serving = Annotated[Service, Depends(service_of)]
Home = Annotated[str, Depends(visible_home)]
Person = Annotated[str, Depends(named_member)]
Rate = Annotated[
    float | None,
    Query(
        gt=0,
        lt=1,
        allow_inf_nan=False,
        description="The share of strangers' clips that may be accepted.",
    ),
]
