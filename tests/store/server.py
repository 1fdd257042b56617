"""ClickHouse's HTTP interface over chDB, for tests of `clickhouse://` addresses where no server can be had.

    python -m tests.store.server FOLDER [USER:PASSWORD]

It prints its port (of loopback) and serves until it is ended. The engine is ClickHouse's own; what is written here is
the interface (https://clickhouse.com/docs/interfaces/http): the statement in `query` or in the body, `param_*`,
settings and `database` in the URL, inserts' data in the body, sign-in, and errors with their code. It does not show
replication, clusters, TLS, compression on the way, sessions or streaming.
"""

from __future__ import annotations

import re
import secrets
import sys
import tempfile
from base64 import b64decode
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import chdb

# What a URL may have beside settings and parameters.
NO_SETTINGS: Final = frozenset(
    {"query", "database", "default_format", "query_id", "user", "password", "quota_key", "role", "session_id"}
    | {"session_timeout", "session_check", "compress", "decompress", "wait_end_of_query", "client_protocol_version"}
)
# In a chDB connection these have no meaning, or compress what has no header that says so.
IGNORED: Final = frozenset({"enable_http_compression", "http_headers_progress_interval_ms"})
INSERT: Final = re.compile(
    rb"\s*(INSERT\s+INTO\s.{0,40000}?)\sFORMAT\s+([A-Za-z]+)[ \t\r]*(?:\n|\Z)", re.IGNORECASE | re.DOTALL
)
FORMAT: Final = re.compile(r"\sFORMAT\s+([A-Za-z]+)\s*;?\s*\Z", re.IGNORECASE)
CODE: Final = re.compile(r"Code: (\d+)")
STATUS: Final = {60: 404, 62: 400, 47: 400, 36: 400, 516: 403}
# Setting http_max_field_value_size as a server has it by default.
LARGEST_FIELD: Final = 128 << 10
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Server(ThreadingHTTPServer):
    """One engine; a connection of its own for each request, so that nobody's settings stay."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path, account: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.account = account
        self.address = f"{folder}?max_server_memory_usage=700000000"
        self.kept = chdb.connect(self.address)  # the engine ends with its last connection

    def run(self, statement: str, database: str, asked: dict[str, str], fmt: str) -> bytes:
        connection = chdb.connect(self.address)
        try:
            settings = {name: value for name, value in asked.items() if not name.startswith("param_")}
            if settings:
                connection.query("SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items()))
            if database:
                connection.query(f"USE `{database.replace('`', '')}`")
            given = {name[6:]: value for name, value in asked.items() if name.startswith("param_")}
            return bytes(connection.query(statement, fmt, params=given).bytes())
        finally:
            connection.close()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self.answer(200, b"Ok.\n")
        else:
            self.do_POST()

    def do_POST(self) -> None:
        body = self.body()
        if not self.allowed():
            self.refuse("Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)")
            return
        asked = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if (kind := self.headers.get("Content-Type", "")).startswith("multipart/form-data"):
            asked |= fields(kind, body)
            body = b""
        text, database, fmt = asked.get("query", ""), asked.get("database", ""), asked.get("default_format", "")
        asked = {name: value for name, value in asked.items() if name not in NO_SETTINGS | IGNORED}
        try:
            for name, value in asked.items():
                if len(value) > LARGEST_FIELD:
                    raise ValueError("Code: 1000. DB::Exception: HTML Form Exception: Field value too long.")
                if not NAME.match(name):
                    raise ValueError(f"Code: 115. DB::Exception: Setting {name} is unknown. (UNKNOWN_SETTING)")
            sent = (text.encode() + b"\n" if text else b"") + body
            if (insert := INSERT.match(sent)) is not None:
                found, shown = self.insert(insert, sent, database, asked), ""
            else:
                named = FORMAT.search(text or body.decode())
                shown = named[1] if named else fmt or "TabSeparated"
                found = self.server.run(sent.decode(), database, asked, shown)
        except Exception as error:
            self.refuse(str(error))
            return
        headers = {"X-ClickHouse-Summary": "{}", "X-ClickHouse-Timezone": "UTC"}
        if found:
            headers["X-ClickHouse-Format"] = shown
        self.answer(200, found, headers)

    def insert(self, insert: re.Match[bytes], sent: bytes, database: str, asked: dict[str, str]) -> bytes:
        """Rows in the body go by a file: an embedded engine has no connection to read them from."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(sent[insert.end() :])
            file.flush()
            statement = f"{insert[1].decode()} FROM INFILE {quoted(file.name)} FORMAT {insert[2].decode()}"
            return self.server.run(statement, database, asked, "TabSeparated")

    def allowed(self) -> bool:
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        account = b64decode(given) if kind == "Basic" else b"default:"
        return secrets.compare_digest(account, self.server.account.encode())

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def refuse(self, text: str) -> None:
        code = int(found[1]) if (found := CODE.search(text)) else 1002
        headers = {"X-ClickHouse-Exception-Code": str(code)}
        self.answer(STATUS.get(code, 500), f"{text} (version 26.9)\n".encode(), headers)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing is said."""


def fields(kind: str, body: bytes) -> dict[str, str]:
    """The fields of a form; clients send long parameters so."""
    form = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    found = {}
    for part in form.iter_parts():
        value = part.get_payload(decode=True)
        if isinstance(value, bytes):
            found[str(part.get_param("name", header="content-disposition"))] = value.decode()
    return found


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


if __name__ == "__main__":
    with Server(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "default:") as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()
