"""Files sent to a server's intake, as a shipper would: `_bulk`, JSON as it is, rows under a header as documents, text
lines under `message`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import httpx
import orjson

from tocsin.collect._read import read_file
from tocsin.errors import TocsinError, UsageError, quoted
from tocsin.event.records import Chunk, Frame, length_prefixed
from tocsin.normalise._frames import read

_BODY = 4 << 20


def send_files(
    files: Sequence[str], url: str, *, key: str | None, product: str | None, progress: Callable[[int], None]
) -> int:
    """Send the records of files to the intake at `url`; how many. Ids are of file and place: again changes nothing."""
    headers = {"Content-Type": "application/x-ndjson"}
    if key:
        headers["Authorization"] = f"ApiKey {key}"
    index = f"logs-{product}-default" if product else None
    count = 0
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{quoted(url)} is no address of an intake", where="--url", hint="http://127.0.0.1:9200")
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        for path in files:
            body: list[bytes] = []
            size = records = 0
            for place, document in _documents(path):
                action = {"create": {"_id": place, **({"_index": index} if index else {})}}
                body += (orjson.dumps(action), document)
                size += len(document)
                records += 1
                if size >= _BODY:
                    _post(client, body)
                    progress(records)
                    count += records
                    body, size, records = [], 0, 0
            if body:
                _post(client, body)
                progress(records)
                count += records
    return count


def _documents(path: str) -> Iterator[tuple[str, bytes]]:
    for chunk in read_file(path, way="ingest"):
        origin = chunk.origin
        for number, record in enumerate(_records(chunk)):
            yield f"{origin.fingerprint}-{(origin.record or 0) + number}", record


def _records(chunk: Chunk) -> Iterator[bytes]:
    if chunk.format in ("ndjson", "evtx"):
        yield from (line for line in chunk.payload.split(b"\n") if line.strip())
        return
    if chunk.format in ("zeek", "csv"):
        yield from _rows(chunk)
        return
    if chunk.format == "bulk":
        raise UsageError("a _bulk body is sent as it is", hint="post it with curl")
    split = length_prefixed(chunk.payload) if chunk.format in ("syslog", "xml") else chunk.payload.splitlines()
    for line in split:
        if line.strip():
            yield _text(line.decode("utf-8", "replace"), chunk)


def _rows(chunk: Chunk) -> Iterator[bytes]:
    """Rows under a header, which a single record in `_bulk` has not: each as a document of its own, with the header's
    names. One that does not fit its header goes as the text that it is."""
    parsed = read([Frame(0, 0, 0, chunk)])
    for row, document in enumerate(parsed.documents):
        if row in parsed.reasons:
            yield _text(parsed.originals[row], chunk)
        else:
            yield orjson.dumps(document)


def _text(text: str, chunk: Chunk) -> bytes:
    return orjson.dumps({"message": text, "log": {"file": {"path": chunk.origin.path}}})


def _post(client: httpx.Client, body: Sequence[bytes]) -> None:
    data = b"\n".join(body) + b"\n"
    pause = 0.2
    for _ in range(60):
        try:
            answer = client.post("/_bulk", content=data)
        except httpx.TransportError as error:
            what = f"the intake can't be reached: {str(error) or type(error).__name__}"
            raise TocsinError(what, where=str(client.base_url), hint="is tocsin serve running?") from error
        if answer.status_code == 429:
            time.sleep(pause)
            pause = min(pause * 2, 5.0)
            continue
        if answer.status_code != 200:
            raise UsageError(
                f"the server answered {answer.status_code}: {answer.text[:200]}", where=str(client.base_url)
            )
        return
    raise UsageError("the server stayed busy for minutes", where=str(client.base_url))
