"""The page at ``/`` and its files, from the folder beside the package's code."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

PAGE = Path(__file__).parents[1] / "page"


def serve_page(app: FastAPI) -> None:
    """Let ``app`` serve the page, where it is installed."""
    if not PAGE.is_dir():
        return
    app.mount("/assets", StaticFiles(directory=PAGE / "assets"), name="assets")

    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> FileResponse:
        return FileResponse(PAGE / "assets" / "icon.svg")
