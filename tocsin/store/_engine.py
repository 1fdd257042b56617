"""One engine behind an address: chDB in this process or a ClickHouse server, both through clickhouse-connect.

A client serves one thread at a time, so there is a small pool; its size bounds how many statements run at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
from pydantic import BaseModel, ConfigDict

from tocsin.errors import BusyError, ConfigError, QueryError, SyntaxProblem, TocsinError, quoted
from tocsin.event.batch import filled
from tocsin.lang.sql import quote
from tocsin.store import _tokens

log = logging.getLogger(__name__)
# MEMORY_LIMIT_EXCEEDED; 800 is what Python() makes of it; TOO_MANY_PARTS; TOO_MANY_SIMULTANEOUS_QUERIES.
_MEMORY: Final = frozenset({241, 800})
_BUSY: Final = frozenset({202, 252})
_TIME: Final = frozenset({159, 160})
PURGE_EVERY: Final = 8


class Memory(BaseModel):
    """What the embedded store may take, in bytes and threads; each has its setting in `tocsin.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_server_memory_usage: int = 700_000_000
    max_query_memory_usage: int = 400_000_000
    mark_cache_size: int = 32 << 20
    uncompressed_cache_size: int = 16 << 20
    index_cache_size: int = 32 << 20
    threads: int = 0


class MemoryRefusedError(BusyError):
    """The statement needed more memory than there is: a smaller one may pass."""


class Engine(Protocol):
    """What reads and writes the tables. All raise `BusyError` when the engine is out of memory or clients, and
    `QueryError` for a statement that it refuses."""

    embedded: bool

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The result as Python rows."""

    def arrow(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The result as Arrow."""

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Runs a statement without a result."""

    def insert(self, table: str, batch: pa.RecordBatch, token: str | None = None) -> None:
        """Inserts a batch whose columns are the table's; the same token again is dropped."""

    def relieve(self) -> None:
        """Gives back memory that the allocator keeps."""

    def close(self) -> None:
        """Gives back what the engine holds."""


def connect(address: str, memory: Memory | None = None, *, clients: int = 8) -> Engine:
    """The engine at an address: `chdb:///folder`, `clickhouse://user:password@host:port/database` or
    `clickhouses://…`. Raises `ConfigError` where it can't be had."""
    parts = urlsplit(address)
    memory = memory or Memory()
    if parts.scheme == "chdb":
        return ChdbEngine(Path(unquote(parts.path)), memory, clients)
    if parts.scheme in ("clickhouse", "clickhouses"):
        return ServerEngine(address, memory, clients)
    raise ConfigError(f"no store has the address {quoted(parts.scheme)}", hint="use chdb:///folder or clickhouse://…")


class _Pooled:
    """Clients on loan. One is kept for inserts, so that searches don't hold them up."""

    def __init__(self, clients: int) -> None:
        self._idle: queue.LifoQueue[Client] = queue.LifoQueue()
        self._slots = threading.BoundedSemaphore(clients)
        self._writing = threading.Lock()
        self._writer: Client | None = None
        self._all: list[Client] = []
        self._lock = threading.Lock()
        self._closed = False

    def _connect(self) -> Client:
        raise NotImplementedError

    def _new(self) -> Client:
        if self._closed:
            raise TocsinError("the store is closed")
        with self._lock:
            client = self._connect()
            self._all.append(client)
        return client

    @contextlib.contextmanager
    def _client(self, wait: float = 30.0) -> Iterator[Client]:
        if not self._slots.acquire(timeout=wait):
            raise BusyError("too many searches run at once", where="store", retry_after=2.0)
        try:
            try:
                client = self._idle.get_nowait()
            except queue.Empty:
                client = self._new()
            try:
                yield client
            finally:
                self._idle.put(client)
        finally:
            self._slots.release()

    @contextlib.contextmanager
    def _write_client(self) -> Iterator[Client]:
        with self._writing:
            if self._writer is None:
                self._writer = self._new()
            yield self._writer

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with self._client() as client, translated():
            return [tuple(row) for row in client.query(sql, parameters=dict(parameters or {})).result_rows]

    def arrow(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        with self._client() as client, translated():
            # A stream: in a file a column of all blocks has one dictionary, and each part of a table has its own.
            found = client.raw_query(sql, parameters=dict(parameters or {}), fmt="ArrowStream")
            with pa.ipc.open_stream(found) as reader:
                return reader.read_all()

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        with self._client() as client, translated():
            client.command(sql, parameters=dict(parameters or {}))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for client in self._all:
                client.close()
            self._all.clear()


class ChdbEngine(_Pooled):
    """ClickHouse in this process. One folder a process, one process a folder."""

    embedded = True

    def __init__(self, folder: Path, memory: Memory, clients: int) -> None:
        super().__init__(clients)
        self.folder = folder.absolute()
        self._memory = memory
        self._inserts = 0
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._held = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            (self.folder / "engine.xml").write_text(_engine_xml(memory), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"the store's folder can't be used: {error.strerror}", where=str(folder)) from error
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._held)
            raise ConfigError(
                "another process has this store open",
                where=str(folder),
                hint="commands with --data of a running server talk to its socket",
            ) from error
        if stale := _tokens.drop_stale(self.folder / "db"):
            log.warning("%d inserts were cut off by a crash; they are made again", stale)
        try:
            with self._client():
                pass
        except BaseException:
            self.close()
            raise

    def _connect(self) -> Client:
        try:
            return clickhouse_connect.get_client(
                interface="chdb",
                path=str(self.folder / "db"),
                chdb_options={"config-file": str(self.folder / "engine.xml")},
                settings=_session(self._memory) | {"output_format_arrow_compression_method": "none"},
            )
        except ClickHouseError as error:
            raise ConfigError(f"the store can't be opened: {_first_line(error)}", where=str(self.folder)) from error

    def insert(self, table: str, batch: pa.RecordBatch, token: str | None = None) -> None:
        arrow = filled(batch)
        columns = ", ".join(quote(name) for name in arrow.schema.names)
        settings = _insert_settings(token)
        # Python() finds `arrow` by its name in the frames above it.
        with self._write_client() as client, translated():
            client.command(f"INSERT INTO {quote(table)} ({columns}) {settings} SELECT {columns} FROM Python(arrow)")
            self._inserts += 1
            if self._inserts % PURGE_EVERY == 0:
                client.command("SYSTEM JEMALLOC PURGE")
        del arrow

    def relieve(self) -> None:
        with self._write_client() as client, translated():
            client.command("SYSTEM JEMALLOC PURGE")

    def close(self) -> None:
        super().close()
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


class ServerEngine(_Pooled):
    """A ClickHouse server over HTTP."""

    embedded = False

    def __init__(self, address: str, memory: Memory, clients: int) -> None:
        super().__init__(clients)
        self._parts = urlsplit(address)
        self._memory = memory
        with self._client():
            pass

    def _connect(self) -> Client:
        parts = self._parts
        secure = parts.scheme == "clickhouses"
        try:
            return clickhouse_connect.get_client(
                host=parts.hostname or "localhost",
                port=parts.port or (8443 if secure else 8123),
                username=unquote(parts.username) if parts.username else None,
                password=unquote(parts.password or ""),
                database=unquote(parts.path.strip("/")) or "default",
                secure=secure,
                settings=_session(self._memory) | dict(parse_qsl(parts.query)),
                autogenerate_session_id=False,
            )
        except (ClickHouseError, OSError) as error:
            where = f"{parts.scheme}://{parts.hostname}:{parts.port or ''}"
            raise ConfigError(f"the store can't be reached: {_first_line(error)}", where=where) from error

    def insert(self, table: str, batch: pa.RecordBatch, token: str | None = None) -> None:
        settings = {"insert_deduplicate": "1", "insert_deduplication_token": token} if token else {}
        with self._write_client() as client, translated():
            client.insert_arrow(table, pa.Table.from_batches([filled(batch)]), settings=settings)

    def relieve(self) -> None:
        """A server looks after its own."""


def _insert_settings(token: str | None) -> str:
    # One block whatever the engine would cut it to: its token then stands for all of it.
    settings = ["min_insert_block_size_rows = 1048576", "min_insert_block_size_bytes = 1073741824"]
    settings += ["max_insert_threads = 1", "max_threads = 1", "max_block_size = 65536"]
    if token:
        spelt = token.replace("\\", "\\\\").replace("'", "\\'")
        settings += ["insert_deduplicate = 1", f"insert_deduplication_token = '{spelt}'"]
    return "SETTINGS " + ", ".join(settings)


def _session(memory: Memory) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "max_memory_usage": memory.max_query_memory_usage,
        "max_query_size": 16 << 20,
        "max_ast_elements": 500_000,
        "max_expanded_ast_elements": 2_000_000,
        "precise_float_parsing": 1,
        "output_format_arrow_low_cardinality_as_dictionary": 1,
        "output_format_arrow_string_as_string": 1,
        "optimize_move_to_prewhere": 1,
        "short_circuit_function_evaluation": "enable",
        "use_uncompressed_cache": 0,
        "max_execution_time": 120,
        # 65,000 originals of 3 KB at a time, a thread, would be more than a search may take.
        "max_block_size": 8192,
        "preferred_block_size_bytes": 4 << 20,
        "preferred_max_column_in_block_size_bytes": 4 << 20,
    }
    if memory.threads:
        settings["max_threads"] = memory.threads
    return settings


def _engine_xml(memory: Memory) -> str:
    """A server configuration whose caches and background work are bounded: unbounded they grew to 3.4 GB."""
    values = {
        "max_server_memory_usage": memory.max_server_memory_usage,
        "mark_cache_size": memory.mark_cache_size,
        "primary_index_cache_size": memory.index_cache_size,
        "index_mark_cache_size": memory.index_cache_size // 2,
        "index_uncompressed_cache_size": memory.index_cache_size // 2,
        "uncompressed_cache_size": memory.uncompressed_cache_size,
        "query_cache/max_size_in_bytes": 0,
        "query_condition_cache_size": 8 << 20,
        "text_index_header_cache_size": memory.index_cache_size // 4,
        "text_index_tokens_cache_size": memory.index_cache_size // 4,
        "text_index_postings_cache_size": memory.index_cache_size // 2,
        "compiled_expression_cache_size": 8 << 20,
        "background_pool_size": 1,
        "background_merges_mutations_concurrency_ratio": 1,
        # Merges are the ones to wait where inserts and searches need the memory.
        "merges_mutations_memory_usage_soft_limit": memory.max_server_memory_usage * 2 // 5,
        # What Python frees of the engine's memory it does not see: its own count drifts up to the limit without this.
        "memory_worker_correct_memory_tracker": 1,
        # By the allocator's own figures: a control group's are those of everything else in it too, less its files.
        "memory_worker_use_cgroup": 0,
        "memory_worker_period_ms": 200,
        "background_schedule_pool_size": 4,
        "background_fetches_pool_size": 1,
        "background_move_pool_size": 1,
        "background_common_pool_size": 2,
        "max_thread_pool_free_size": 16,
        "concurrent_threads_soft_limit_ratio_to_cores": 2,
    }
    lines = ["<clickhouse>"]
    for name, value in values.items():
        outer, _, inner = name.partition("/")
        body = f"<{inner}>{value}</{inner}>" if inner else escape(str(value))
        lines.append(f"  <{outer}>{body}</{outer}>")
    lines += ["  <merge_tree>"]
    lines += [
        f"    <{name}>{value}</{name}>"
        for name, value in {
            "number_of_free_entries_in_pool_to_lower_max_size_of_merge": 0,
            "number_of_free_entries_in_pool_to_execute_mutation": 0,
            "number_of_free_entries_in_pool_to_execute_optimize_entire_partition": 0,
            "merge_max_block_size_bytes": 4 << 20,
            "max_bytes_to_merge_at_max_space_in_pool": 2 << 30,
        }.items()
    ]
    return "\n".join([*lines, "  </merge_tree>", "</clickhouse>", ""])


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turns what the client raises into our errors."""
    try:
        yield
    except ClickHouseError as error:
        code = getattr(error, "code", None)
        text = str(error)
        if code in _MEMORY or "memory limit exceeded" in text.lower():
            raise MemoryRefusedError("the store is out of memory for this", where="store", retry_after=2.0) from error
        if code in _BUSY or isinstance(error, OperationalError):
            raise BusyError(f"the store is busy: {_first_line(error)}", where="store", retry_after=2.0) from error
        if code in _TIME:
            hint = "ask for a shorter time or fewer fields"
            raise QueryError([SyntaxProblem(f"the search took too long; {hint}")], where="") from error
        raise QueryError([SyntaxProblem(_first_line(error))]) from error
    except RuntimeError as error:  # chDB's own, where the client lets it through
        if "memory limit exceeded" in str(error).lower():
            raise MemoryRefusedError("the store is out of memory for this", where="store", retry_after=2.0) from error
        raise TocsinError(f"the store failed: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    lines: Sequence[str] = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:400]
