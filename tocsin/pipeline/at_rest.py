"""The store of a data folder while no server runs on it: searches and ingest for scripts and small machines.

Ingest goes the same way as in a server (journal, worker's steps, core's steps), in this one process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tocsin import config
from tocsin import state as states
from tocsin import store as stores
from tocsin.alert.incidents import Decisions
from tocsin.collect._read import read_file
from tocsin.config import Settings
from tocsin.detect._hits import HitMaker
from tocsin.errors import BusyError, UsageError
from tocsin.journal.file import open_reader, open_writer
from tocsin.lang import queries
from tocsin.lang.ir import Query
from tocsin.pipeline import spool
from tocsin.pipeline.core import Core
from tocsin.pipeline.history import events_of, firings_in, in_order
from tocsin.pipeline.knowledge import Knowledge, Plan
from tocsin.pipeline.lookback import LookBacks
from tocsin.pipeline.offline import as_rule
from tocsin.pipeline.service import exclusive
from tocsin.pipeline.sources import Sources
from tocsin.ports import Document, Span
from tocsin.store import Memory, Store

_PAGE: Final = 2_000
_STRETCH: Final = 8 << 20
_CHUNKS: Final = 16


@contextmanager
def _store(settings: Settings, knowledge: Knowledge) -> Iterator[Store]:
    memory = Memory(**settings.store.model_dump(exclude={"address"}))
    aliases, lists = knowledge.normaliser.aliases, knowledge.lists
    with stores.open(settings.store_address, memory=memory, aliases=aliases, lists=lists) as store:
        yield store


def search(data: Path, query: str, language: str, of: Any, span: Span, limit: int | None) -> Iterator[dict[str, Any]]:
    """Matching documents, oldest first; for sequences one row each."""
    if not data.is_dir():
        raise UsageError("there is no such data folder", where=str(data))
    settings = config.load(None, flags={"data": str(data)})
    if settings.store_address.startswith("chdb:") and not (settings.data_dir / "store").is_dir():
        raise UsageError("there is no store in this folder", where=str(data), hint="tocsin serve or ingest makes one")
    with exclusive(settings.data_dir):
        knowledge = Knowledge(Plan(shipped=False))
        with _store(settings, knowledge) as store:
            names = store.names[of]
            plan = queries.parse(query, language, names)
            if not isinstance(plan, Query):
                rule = as_rule(plan, query, knowledge.types)
                firings = firings_in(store, rule, knowledge.types, knowledge.names, knowledge.lists, span)
                firings = in_order(firings, oldest_first=True)[:limit]
                for start in range(0, len(firings), _PAGE):
                    for documents in events_of(store, firings[start : start + _PAGE]):
                        yield {"events": [{"id": d["_id"], "event": _shown(d)} for d in documents]}
                return
            after: tuple[int, str] | None = None
            left = limit
            while left is None or left > 0:
                size = _PAGE if left is None else min(_PAGE, left)
                page = store.search(plan.where, span, of=of, limit=size, newest_first=False, after=after)
                for document in page:
                    yield {"id": document["_id"], "event": _shown(document)}
                if len(page) < size:
                    return
                after = (queries.moment(str(page[-1]["@timestamp"])) or 0, str(page[-1]["_id"]))
                left = None if left is None else left - len(page)


def _shown(document: Document) -> Document:
    return {name: value for name, value in document.items() if not name.startswith("_")}


def ingest(data: Path, files: Sequence[str], as_: str | None, progress: Callable[[int], None]) -> int:
    """Read files into the store of a data folder, with every rule that runs there looking; how many events."""
    from tocsin.pipeline.plans import plan_of

    settings = config.load(None, flags={"data": str(data)})
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = settings.data_dir / "spool"
    folder.mkdir(exist_ok=True, mode=0o700)
    with exclusive(settings.data_dir), states.open(settings.state_address) as state:
        knowledge = Knowledge(plan_of(settings, state))
        hits = HitMaker(
            knowledge.running, knowledge.types, knowledge.names, knowledge.lists, settings.data_dir / "cache"
        )
        with _store(settings, knowledge) as store:
            core = Core(store, knowledge, Sources())
            core.decide(Decisions.of(state.decisions.all()))
            core.restore()
            # Nothing else feeds this store now: what rules that are new have missed is all there.
            back = LookBacks(core, state.cursors, lambda: {rule.id: rule.generation for rule in knowledge.running})
            back.plan(knowledge)
            with contextlib.suppress(BusyError):  # what is left is due for the next one
                back.run()
            writer = open_writer(settings.journal_address, lanes=settings.journal.lanes)
            reader = open_reader(settings.journal_address)
            try:
                for path in files:
                    pending = []
                    for chunk in read_file(path, way="ingest", product=as_, limit=int(settings.limits.record_bytes)):
                        pending.append(chunk)
                        if len(pending) >= _CHUNKS:
                            asyncio.run(writer.append(pending, lane_key=path))
                            pending = []
                            _drain(reader, knowledge, hits, core, folder, progress)
                    if pending:
                        asyncio.run(writer.append(pending, lane_key=path))
                    _drain(reader, knowledge, hits, core, folder, progress)
                core.tick()
                return core.events
            finally:
                reader.close()
                writer.close()


def _drain(reader: Any, knowledge: Knowledge, hits: HitMaker, core: Core, folder: Path, progress: Any) -> None:
    busy = True
    while busy:
        busy = False
        for lane in reader.lanes:
            found = reader.stretch(lane, max_bytes=_STRETCH)
            if found is None:
                continue
            busy = True
            stretch, frames = found
            made = knowledge.normaliser.run(frames)
            spooled = spool.Spooled(made.batch, hits.run(made.batch, made.processes), made.processes)
            path = spool.write(folder, stretch, spooled)
            core.take(stretch, path)
            path.unlink()
            reader.passed(stretch)
            progress(made.batch.num_rows)
