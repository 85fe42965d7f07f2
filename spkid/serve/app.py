"""The service as an ASGI application."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spkid import __version__
from spkid.serve.access import IN_DOCUMENT
from spkid.serve.answers import Problem
from spkid.serve.guard import Guard
from spkid.serve.problems import (
    CONTENT_TYPE,
    answer_errors,
    log_unforeseen,
    response_of,
    unforeseen,
)
from spkid.serve.routes import clips, households, inbox, listening, members, page, running, sockets
from spkid.serve.service import Service
from spkid.serve.settings import Settings

PREFIX = "/api/v1"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ROUTERS = (running, households, members, clips, listening, inbox, sockets)
ABOUT = (
    "Enroll a household, clip by clip, and ask who is speaking: a member, a stranger, or why "
    "nobody can be named. Errors are problem details (RFC 9457) with the codes of the command line."
)

logger = logging.getLogger("spkid.serve")


def make_app(settings: Settings) -> ASGIApp:
    """The application; it opens store and model when it starts, and closes them at its end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = service = Service(settings)
        try:
            service.warm_up()
            yield
        finally:
            service.close()

    app = FastAPI(
        title="spkid",
        version=__version__,
        description=ABOUT,
        lifespan=lifespan,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for module in ROUTERS:
        app.include_router(module.router, prefix=PREFIX)
    page.serve_page(app)
    answer_errors(app)
    app.openapi = lambda: document_of(app)  # type: ignore[method-assign]
    return Counted(Guard(app, settings), app)


def document_of(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with errors and tokens as they are."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        parts = document.setdefault("components", {})
        schemas = parts.setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas[Problem.__name__] = Problem.model_json_schema()
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}, {}]
        for operation in operations_of(document):
            for status, answer in operation["responses"].items():
                if not status.startswith("2") and CONTENT_TYPE in answer.get("content", {}):
                    answer["content"] = {CONTENT_TYPE: answer["content"][CONTENT_TYPE]}
        app.openapi_schema = document
    return app.openapi_schema


def operations_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Every operation that says who may call it."""
    found = [operation for path in document["paths"].values() for operation in path.values()]
    return [operation for operation in found if IN_DOCUMENT in operation]


class Counted:
    """An ASGI application around all others: counts and logs, and answers what nobody foresaw.

    A line of the log holds the path as the document writes it, never a name.
    """

    def __init__(self, app: ASGIApp, inner: FastAPI) -> None:
        self.app, self.inner = app, inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, statuses = time.perf_counter(), []

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except Exception as error:  # the server would log the error's own text
            if not statuses:
                log_unforeseen(error)
                await response_of(unforeseen(error))(scope, receive, noting)
        self._note(scope, statuses, time.perf_counter() - started)

    def _note(self, scope: Scope, statuses: list[int], seconds: float) -> None:
        path = getattr(scope.get("route"), "path", "other")
        status = statuses[0] if statuses else 0
        method = scope["method"] if scope["method"] in METHODS else "other"
        metrics = self.inner.state.service.metrics
        metrics.requests.labels(path, method, status).inc()
        metrics.seconds.labels(path).observe(seconds)
        logger.info("%s %s %d %.0f ms", method, path, status, 1000 * seconds)
