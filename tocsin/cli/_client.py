"""A client of a running server: by its address with a key, or by the socket in its data folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.errors import BusyError, TocsinError, UsageError, quoted

if TYPE_CHECKING:
    import httpx

# In the data folder of a running server; only its owner can open it.
SOCKET = "serve.sock"
PAGE = 1000


class GoneError(TocsinError):
    """Nobody answers there."""


class Client:
    """Calls `/api/v1`. Raises `UsageError` with the server's own words."""

    def __init__(self, base: str, *, socket: Path | None = None, key: str | None = None) -> None:
        import httpx

        if not base.startswith(("http://", "https://")):
            raise UsageError(f"{quoted(base)} is no address of a server", where="--url", hint="http://127.0.0.1:8686")
        transport = httpx.HTTPTransport(uds=str(socket)) if socket else None
        headers = {"Authorization": f"ApiKey {key}"} if key else {}
        self._where = base if socket is None else str(socket)
        self._http = httpx.Client(base_url=base, transport=transport, headers=headers, timeout=60, trust_env=False)

    @classmethod
    def find(cls, data: Path | None, url: str | None, key: str | None) -> Client | None:
        """The server at `url`, or the one that runs on `data`; None where the store is at rest."""
        if url:
            return cls(url, key=key)
        if data is None:
            raise UsageError("say where: --data DIR, --url URL, or --input FILE")
        socket = data.absolute() / SOCKET
        if socket.exists():
            client = cls("http://tocsin", socket=socket)
            try:
                client.get("/me")
            except GoneError:
                return None  # left by a server that was killed
            return client
        return None

    def get(self, path: str, **query: Any) -> Any:
        """GET, as JSON."""
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: Any) -> Any:
        """POST, as JSON."""
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **what: Any) -> Any:
        import httpx

        try:
            return self._answer(self._http.request(method, f"/api/v1{path}", **what))
        except httpx.TimeoutException as error:
            raise BusyError("it did not answer in a minute", where=self._where) from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            what_ = str(error) or type(error).__name__
            raise GoneError(
                f"it can't be reached: {what_}", where=self._where, hint="is tocsin serve running?"
            ) from error

    def _answer(self, response: httpx.Response) -> Any:
        if response.is_success:
            return response.json() if response.content else None
        try:
            problem = response.json()
            what = str(problem.get("title", "it failed"))
            hint = str(problem.get("hint", ""))
            places = [f"{p['line']}:{p['column']}: {p['what']}" for p in problem.get("problems", [])]
        except (ValueError, KeyError, TypeError, AttributeError):
            what, hint, places = f"it answered {response.status_code}", "", []
        if response.status_code in (401, 403) and not hint:
            hint = "--key or TOCSIN_KEY takes an API key: tocsin key add NAME --scope read"
        raise UsageError("; ".join(places) or what, where="" if places else self._where, hint=hint)

    def search(
        self, query: str, lang: str, of: str, start: str | None, end: str | None, limit: int | None
    ) -> Iterator[dict[str, Any]]:
        """All documents that match, oldest first, page by page; a sequence at a time for sequences."""
        after: str | None = None
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            asked = {
                "query": query,
                "language": lang,
                "of": of,
                "start": start,
                "end": end,
                "size": size,
                "after": after,
                "oldest_first": True,
            }
            page = self.post("/search", asked)
            for sequence in page["sequences"]:
                yield {"events": [{"id": each["id"], "event": each["document"]} for each in sequence]}
            for each in page["documents"]:
                yield {"id": each["id"], "event": each["document"]}
            after = page["next"]
            if left is not None:
                left -= len(page["documents"]) + len(page["sequences"])
            if after is None:
                return
