"""Which product stream reads a record: what the user or the setting says, else what the record itself shows.

Products claim their records (`Claim`); nothing here names one. The strongest evidence decides: the document's data set
or index, a Windows channel, Zeek's path, a document's keys, the syslog program, how a text begins, the file's name, and
at last whoever takes what nobody claims. Two products at one strength are a conflict, which the tests look for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final, NamedTuple

import re2

from tocsin.errors import PluginError, UsageError, quoted
from tocsin.event.records import Frame, Origin
from tocsin.normalise import Claim, Product
from tocsin.normalise._frames import Parsed
from tocsin.normalise._syslog import from_document, head, is_document

_CACHE: Final = 8192
# What of ECS a mapping fills; shippers fill agent, ecs, host, log.file and input, and name the data set.
# fmt: off
_SAYS_WHAT: Final = frozenset({
    "client", "destination", "dll", "dns", "email", "file", "http", "network", "observer", "powershell", "process",
    "registry", "related", "rule", "server", "source", "tls", "url", "user", "user_agent",
})
# fmt: on
_MARKS: Final = (("event", "category"), ("event", "type"), ("event", "action"), ("event", "outcome"), ("log", "level"))
# logs-DATASET-NAMESPACE, also as the backing index of a data stream
_INDEX: Final = re.compile(r"(?:\.ds-)?(?:logs|metrics)-([^-]{1,120})-[^-]", re.ASCII)


class Route(NamedTuple):
    """A product and one of its streams."""

    product: str
    stream: str


class _Facts(NamedTuple):
    """What a record shows of itself."""

    datasets: tuple[str, ...]
    channel: str | None
    zeek: str | None
    shape: tuple[str, ...]
    file: str | None
    text: str | None
    fallback: str
    program: str | None = None  # as the document says it, beside a text without a syslog head


class _Probe(NamedTuple):
    """Where documents of one key order can show what they are: most show little, and looking costs."""

    dataset: bool
    channel: bool
    file: bool
    zeek: str
    message: bool
    syslog: bool  # a syslog daemon's document
    plain: bool  # Zeek's path, a channel on top and the key order are all that there is
    envelope: bool  # a shipper wrote this around a line that nobody has read yet
    top: str  # the member that has the channel where the record is plain

    @staticmethod
    def of(shape: tuple[str, ...]) -> _Probe:
        tops = {str(name).partition(".")[0] for name in shape}
        dataset = bool(tops & {"event", "data_stream", "fileset"})
        channel = bool(tops & {"winlog", "Channel", "log_name", "Event"})
        top = "Channel" if "Channel" in shape and not tops & {"winlog", "log_name", "Event"} else ""
        return _Probe(
            dataset,
            channel,
            "log" in tops,
            # `@stream` in ROCK's and Corelight's export
            next((name for name in ("_path", "@stream") if name in shape), ""),
            "message" in shape,
            is_document(shape),
            not (dataset or (channel and not top) or "MESSAGE" in shape or "log" in tops or "message" in shape),
            "winlog" not in tops and bool(tops & {"ecs", "log", "@metadata", "agent"}),
            top,
        )


class Router:
    """Knows all claims of `products`. Raises `PluginError` where two of them claim the same name."""

    def __init__(self, products: Mapping[str, Product]) -> None:
        self._streams = {Route(name, info.name): info for name, product in products.items() for info in product.streams}
        self._products = products
        self._claims = [(claim, route) for route, info in self._streams.items() for claim in info.claims]
        self._datasets = self._table((dataset, c, r) for c, r in self._claims for dataset in c.dataset)
        self._channels = self._table((name.lower(), c, r) for c, r in self._claims for name in c.channel)
        self._zeek = self._table((path, c, r) for c, r in self._claims for path in c.zeek)
        self._programs = self._table((name.lower(), c, r) for c, r in self._claims for name in c.program)
        self._rest = self._table((c.rest, c, r) for c, r in self._claims if c.rest)
        self._keys = [(c, r) for c, r in self._claims if c.keys]
        self._paths = [(c, r) for c, r in self._claims if c.path]
        options = re2.Options()
        options.log_errors = False
        # All beginnings at once: one pass over a text says which of them it has.
        self._firsts = sorted({claim.first for claim, _ in self._claims if claim.first})
        self._beginnings = re2.Set.MatchSet(options)
        for first in self._firsts:
            self._beginnings.Add(first)
        if self._firsts:
            self._beginnings.Compile()
        self._texts = [(c, r) for c, r in self._claims if c.first and not c.program]
        self._seen: dict[tuple[Any, ...], Route] = {}
        self._probes: dict[tuple[str, ...], _Probe] = {}
        for info in self._streams.values():  # a stream's own data set needs no claim
            route = Route(next(r.product for r, i in self._streams.items() if i is info), info.name)
            if info.dataset not in self._datasets:
                self._datasets[info.dataset] = [(Claim(dataset=frozenset({info.dataset})), route)]

    def named(self, name: str) -> Route:
        """The stream of `--as NAME`; PRODUCT alone is its first stream. Raises `UsageError` for a name nobody has."""
        product, _, stream = name.partition(".")
        found = self._products.get(product)
        if found is not None and found.streams:
            if not stream:
                return Route(product, found.streams[0].name)
            if Route(product, stream) in self._streams:
                return Route(product, stream)
            raise UsageError(
                f"{quoted(product)} has no stream {quoted(stream)}",
                where="--as",
                hint="it has " + ", ".join(info.name for info in found.streams),
            )
        raise UsageError(
            f"no product is called {quoted(product)}",
            where="--as",
            hint="there are " + ", ".join(sorted(self._products)),
        )

    def rest(self, kind: str) -> Route:
        """Who takes what nobody claims of a kind. Raises `PluginError` where nobody does."""
        for _, route in self._rest.get(kind, ()):
            return route
        raise PluginError("no product takes the records that nobody claims", where="tocsin.normalise")

    def groups(self, frames: Sequence[Frame], parsed: Parsed) -> dict[Route, list[int]]:
        """The rows of each stream, in input order; rows with a reason are in none."""
        out: dict[Route, list[int]] = {}
        reasons = parsed.reasons
        for (start, end), frame in zip(parsed.spans, frames, strict=True):
            origin = frame.chunk.origin
            if origin.product is not None:
                rows = out.setdefault(self.named(origin.product), [])
                rows.extend(range(start, end) if not reasons else (r for r in range(start, end) if r not in reasons))
                continue
            for row in range(start, end):
                if row not in reasons:
                    route = self.route(parsed.documents[row], origin, parsed.indexes[row])
                    out.setdefault(route, []).append(row)
        return out

    def route(self, document: dict[str, Any], origin: Origin, index: str | None = None) -> Route:
        """The stream that reads this record."""
        shape = tuple(document)
        probe = self._probes.get(shape)
        if probe is not None and probe.plain:  # most of a busy sensor's records end here
            shown = (document[probe.zeek] if probe.zeek else "", document[probe.top] if probe.top else "")
            key = (shape, *shown, index, origin.path)
            try:
                return self._seen[key]
            except (KeyError, TypeError):
                route = self._claimants(self._facts(document, origin, index))[0]
                if type(shown[0]) is str and type(shown[1]) is str:
                    self._remember(key, route)
                return route
        facts = self._facts(document, origin, index)
        if facts.text is not None:
            return self._claimants(facts)[0]
        found = self._seen.get(facts)
        if found is None:
            found = self._claimants(facts)[0]
            self._remember(facts, found)
        return found

    def _remember(self, key: tuple[Any, ...], route: Route) -> None:
        if len(self._seen) > _CACHE:
            self._seen.clear()
        self._seen[key] = route

    def claimants(self, document: dict[str, Any], origin: Origin, index: str | None = None) -> list[Route]:
        """Every stream that claims this record at the strongest evidence there is: more than one is a conflict."""
        return self._claimants(self._facts(document, origin, index))

    def _facts(self, document: dict[str, Any], origin: Origin, index: str | None) -> _Facts:
        shape = tuple(document)
        probe = self._probes.get(shape)
        if probe is None:
            if len(self._probes) > _CACHE:
                self._probes.clear()
            probe = self._probes[shape] = _Probe.of(shape)
        datasets = _datasets(document) if probe.dataset else ()
        if index is not None and (named := index_dataset(index)) is not None:
            datasets = (*datasets, named)
        text = document["message"] if probe.message else None
        unread = len(shape) == 1 or (probe.envelope and not any(name in self._datasets for name in datasets))
        if probe.syslog and not any(name in self._datasets for name in datasets):
            sent = from_document(document)
            text = sent[0] if sent is not None else None
        elif type(text) is not str or not unread:
            text = None
        zeek = document[probe.zeek] if probe.zeek else None
        return _Facts(
            datasets,
            _channel(document) if probe.channel else None,
            zeek if type(zeek) is str else None,
            shape,
            (_file(document) if probe.file else None) or origin.path,
            text,
            "document" if len(shape) > 1 or text is None else "text",
            _program(document) if text is not None and len(shape) > 1 else None,
        )

    def _claimants(self, facts: _Facts) -> list[Route]:
        keys: frozenset[str] | None = None
        for dataset in facts.datasets:
            if found := self._holding(self._datasets.get(dataset, ()), facts):
                return found
        if facts.channel is not None:
            channel = facts.channel.lower()
            if found := self._holding(self._channels.get(channel, ()), facts):
                return found
            if found := self._holding(self._channels.get("*", ()), facts):
                return found
        if facts.zeek is not None:
            claims = self._zeek.get(facts.zeek) or self._zeek.get("*", [])
            if found := self._holding(claims, facts):
                return found
        if facts.shape != ("message",):
            keys = frozenset(facts.shape)
            if found := self._holding([(c, r) for c, r in self._keys if c.keys <= keys], facts):
                return found
        if facts.text is not None:
            top = head(facts.text)
            begun = self._begun(facts.text, top.message)
            program = top.program or facts.program
            program = program.rpartition("/")[2].lower() if program else ""
            if program and (found := self._holding(self._programs.get(program, ()), facts, begun)):
                return found
            if begun and (found := self._holding(self._texts, facts, begun)):
                return found
            if found := self._of_file(facts, begun):
                return found
            fallback = "syslog" if top.time or top.priority is not None else facts.fallback
        else:
            if found := self._of_file(facts):
                return found
            fallback = facts.fallback
        for name in (fallback, facts.fallback, "document"):
            if found := list(dict.fromkeys(route for _, route in self._rest.get(name, ()))):
                return found
        raise PluginError("no product takes the records that nobody claims", where="tocsin.normalise")

    def _of_file(self, facts: _Facts, begun: Collection[str] = ()) -> list[Route]:
        name = (facts.file or "").replace("\\", "/").lower()
        if not name:
            return []
        return self._holding([(c, r) for c, r in self._paths if _named(name, c.path)], facts, begun)

    def _holding(
        self, claims: Iterable[tuple[Claim, Route]], facts: _Facts, begun: Collection[str] = ()
    ) -> list[Route]:
        """The streams of those claims whose every property holds, and of these the claims that say most: a kernel
        message with a firewall's text before any kernel message."""
        found: dict[int, dict[Route, None]] = {}
        for claim, route in claims:
            if claim.first and claim.first not in begun:
                continue
            if claim.keys and not claim.keys.issubset(facts.shape):
                continue
            if claim.path and not _named((facts.file or "").replace("\\", "/").lower(), claim.path):
                continue
            if claim.zeek and facts.zeek not in claim.zeek and "*" not in claim.zeek:
                continue
            found.setdefault(_says(claim), {})[route] = None
        return list(found[max(found)]) if found else []

    def _begun(self, text: str, body: str) -> frozenset[str]:
        """The beginnings that a text has, itself or after its syslog head."""
        if not self._firsts:
            return frozenset()
        found = {self._firsts[i] for i in self._beginnings.Match(text[:4096]) or ()}
        if body is not text and body != text:
            found.update(self._firsts[i] for i in self._beginnings.Match(body[:4096]) or ())
        return frozenset(found)

    @staticmethod
    def _table(rows: Iterable[tuple[str, Claim, Route]]) -> dict[str, list[tuple[Claim, Route]]]:
        table: dict[str, list[tuple[Claim, Route]]] = {}
        for name, claim, route in rows:
            for other, theirs in table.setdefault(name, []):
                if theirs != route and (other == claim or not (_narrow(other) or _narrow(claim))):
                    raise PluginError(
                        f"{'.'.join(theirs)} and {'.'.join(route)} both claim {quoted(name)}", where="tocsin.normalise"
                    )
            table[name].append((claim, route))
        return table


def _narrow(claim: Claim) -> bool:
    return bool(claim.first or claim.keys or claim.path)


def _says(claim: Claim) -> int:
    """How many properties a claim has."""
    parts = (claim.dataset, claim.channel, claim.program, claim.path, claim.first, claim.keys, claim.zeek)
    return sum(map(bool, parts))


@lru_cache(maxsize=4096)
def _named(path: str, pattern: str) -> bool:
    """Whether a pattern names the file: by its base name, or by the end of its whole path where it has a slash."""
    name = path.rpartition("/")[2]
    return fnmatchcase(path, "*" + pattern) if "/" in pattern else fnmatchcase(name, pattern)


def is_mapped(document: dict[str, Any]) -> bool:
    """Whether a document that names its data set says in ECS what happened, and is no shipper's envelope around a
    record that is still to be read."""
    if "winlog" in document or not _datasets(document):
        return False
    if any(str(name).partition(".")[0] in _SAYS_WHAT for name in document):
        return True
    return any(_at(document, *path) is not None for path in _MARKS)


@lru_cache(maxsize=4096)
def index_dataset(index: str) -> str | None:
    """The data set of a data stream's index name, or None."""
    match = _INDEX.match(index)
    return match[1] if match else None


def _at(document: dict[str, Any], *path: str) -> Any:
    """A value under its dotted name or nested."""
    flat = document.get(".".join(path))
    if flat is not None:
        return flat
    value: Any = document
    for name in path:
        if type(value) is not dict:
            return None
        value = value.get(name)
    return value


def _program(document: dict[str, Any]) -> str | None:
    """The program that wrote the message, where the shipper read the syslog head (journald, Filebeat's parser)."""
    for path in (("process", "name"), ("log", "syslog", "appname")):
        value = _at(document, *path)
        if type(value) is str and value:
            return value
    return None


def _datasets(document: dict[str, Any]) -> tuple[str, ...]:
    found = []
    for path in (("event", "dataset"), ("data_stream", "dataset")):
        value = _at(document, *path)
        if type(value) is str:
            found.append(value)
    fileset = _at(document, "fileset", "name")
    if type(fileset) is str:
        module = _at(document, "event", "module") or _at(document, "fileset", "module")
        if type(module) is str:
            found.append(f"{module}.{fileset}")
    return tuple(found)


def _channel(document: dict[str, Any]) -> str | None:
    """The Windows channel as Winlogbeat 7+, NXLog, Winlogbeat 6 and the EVTX parser name it."""
    for path in (("winlog", "channel"), ("Channel",), ("log_name",), ("Event", "System", "Channel")):
        value = _at(document, *path)
        if type(value) is str and value:
            return value
    return None


def _file(document: dict[str, Any]) -> str | None:
    value = _at(document, "log", "file", "path")
    return value if type(value) is str else None
