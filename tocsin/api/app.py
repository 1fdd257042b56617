"""The application: routes under `/api/v1`, the page, health and metrics, one shape of errors, and strict headers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin import __version__, metrics
from tocsin.api import alerts, analyzer, incidents, live, people, rules, search, status
from tocsin.api._access import caller
from tocsin.api._context import Context
from tocsin.api.models._model import Problem, QueryProblem
from tocsin.errors import (
    BusyError,
    ConfigError,
    ConflictError,
    PluginError,
    QueryError,
    TocsinError,
    UnsupportedError,
    UsageError,
)

log = logging.getLogger(__name__)
UI: Final = Path(__file__).with_name("ui")
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_LARGEST: Final = 4 << 20
_TOO_LARGE: Final = f"the request is larger than {_LARGEST >> 20} MB"


def create(context: Context | None, *, trusted: bool = False) -> FastAPI:
    """The application of one server; without a context it only tells its OpenAPI. `trusted` is for the socket in the
    data folder, which only its owner can open: whoever calls there is admin."""
    app = FastAPI(
        title="Tocsin",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        responses={"default": {"model": Problem}},
    )
    app.state.context = context
    app.state.trusted = trusted
    for each in (people, status, search, alerts, incidents, analyzer, rules, live):
        app.include_router(each.router, prefix="/api/v1")
    _errors(app)
    _plain(app)
    app.add_middleware(_Guard)
    return app


class _Guard:
    """Bounds what a request may send, and puts the strict headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > _LARGEST:  # sent in chunks, so that no header said so
                raise HTTPException(413, _TOO_LARGE)
            return message

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        length = Headers(scope=scope).get("content-length", "0")
        if length.isdigit() and int(length) > _LARGEST:
            await _problem(413, _TOO_LARGE, "", [])(scope, receive, headed)
            return
        await self.app(scope, bounded, headed)


def _said(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors in a line: where, and what; never the value, which may be a password."""
    if error.get("type") == "json_invalid":
        return f"body: it is no JSON: {error.get('ctx', {}).get('error', '')}".rstrip(": ")
    where = ".".join(str(part) for part in error["loc"] if part != "body") or "body"
    return f"{where[:200]}: {error['msg'].removeprefix('Value error, ')}"


def _problem(
    code: int, title: str, hint: str, problems: list[QueryProblem], *, detail: str = "", **headers: str
) -> JSONResponse:
    body = Problem(title=title, status=code, detail=detail, hint=hint, problems=problems)
    return JSONResponse(body.model_dump(), code, media_type="application/problem+json", headers=headers)


def _errors(app: FastAPI) -> None:
    @app.exception_handler(StarletteHTTPException)  # FastAPI's own is one too; a route that isn't there raises this
    async def _http(request: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)
        title = str(error.detail)
        if error.status_code == 405:
            title = f"{request.method} is not what {request.url.path[:200]} takes"
        elif title == "Not Found":
            title = f"there is no {request.url.path[:200]}"
        return _problem(error.status_code, title, "", [], **(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = [_said(each) for each in error.errors()[:20]]
        return _problem(422, found[0] if found else "the request is wrong", "", [], detail="\n".join(found))

    @app.exception_handler(TocsinError)
    async def _ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, TocsinError)
        problems: list[QueryProblem] = []
        if isinstance(error, QueryError) and any(p.what.startswith("Code: ") for p in error.problems):
            log.error("%s %s: the store refused: %s", request.method, request.url.path, error)  # it names files and SQL
            return _problem(500, "the store could not answer this; the server's log says what", "", [])
        if isinstance(error, QueryError):
            problems = [
                QueryProblem(what=p.what, line=p.line, column=p.column, length=p.length) for p in error.problems
            ]
        code = (
            409
            if isinstance(error, ConflictError)
            else 503
            if isinstance(error, BusyError)
            else 400
            if isinstance(error, (QueryError, UsageError, UnsupportedError, ConfigError, PluginError))
            else 500
        )
        headers = {"Retry-After": str(max(1, int(error.retry_after)))} if isinstance(error, BusyError) else {}
        return _problem(
            code, f"{error.where}: {error.what}" if error.where else error.what, error.hint, problems, **headers
        )

    @app.exception_handler(Exception)
    async def _unforeseen(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return _problem(500, "something failed here; the server's log says what", "", [])


def _plain(app: FastAPI) -> None:
    @app.get("/healthz", include_in_schema=False)
    def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> PlainTextResponse:
        context = app.state.context
        ready = context is not None and context.service.ready()
        return PlainTextResponse("ready\n" if ready else "not ready\n", 200 if ready else 503)

    @app.get("/metrics", include_in_schema=False)
    def metrics_(request: Request) -> Response:
        caller(request)  # figures of an organisation are not for everybody
        context: Any = app.state.context
        return Response(metrics.render(context.service.intake.metrics), media_type=metrics.CONTENT_TYPE)

    @app.get("/api/v1/openapi.json", include_in_schema=False)
    def openapi(request: Request) -> Response:
        caller(request)  # off loopback nothing answers without a sign-in
        return JSONResponse(app.openapi())

    if (UI / "assets").is_dir():
        app.mount("/assets", StaticFiles(directory=UI / "assets"), name="assets")

    @app.get("/{path:path}", include_in_schema=False)
    def page(path: str) -> Response:
        """The page: a file of the build, or its index for an address that the page itself routes."""
        if path.startswith("api/"):
            raise HTTPException(404, f"there is no /{path[:200]}")
        if (file := _built(path)) is not None:
            return FileResponse(file)
        index = UI / "index.html"
        if not index.is_file():
            return PlainTextResponse("The page is not built: run make ui. The API is at /api/v1.\n", 503)
        return FileResponse(index, headers={"Cache-Control": "no-cache"})


def _built(path: str) -> Path | None:
    """The file of the build at a path, if there is one and it is inside."""
    try:
        file = (UI / path).resolve()
        return file if path and file.is_relative_to(UI.resolve()) and file.is_file() else None
    except (OSError, ValueError):  # a name longer than the file system's, a null byte
        return None
