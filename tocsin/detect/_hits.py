"""Makes the hits of a batch: which rule's which step each event meets, with its keys (DESIGN section 6).

It keeps no state between batches but the cache of ancestors.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from tocsin.detect import Rule, RuleType, StepSpec
from tocsin.detect._ancestors import Ancestors
from tocsin.detect._client import FIELD as CLIENT
from tocsin.detect._client import FORWARDED, PEERS, Clients
from tocsin.detect._derived import Derived
from tocsin.lang.fields import Names
from tocsin.lang.ir import Field, Predicate
from tocsin.lang.match import Matcher
from tocsin.lang.values import Rows, key_text
from tocsin.metrics import counter
from tocsin.ports import HIT_SCHEMA, Hit, Lists

log = logging.getLogger(__name__)
# An event whose key fields hold many values each counts for at most so many groups.
KEYS_A_EVENT: Final = 1000
KEYS_CUT = counter("tocsin_detect_keys_cut", "Events with more values for a rule's key than are looked at.")


class HitMaker:
    """Matches all steps of all rules at once. `rules` are those that are enabled and can run."""

    def __init__(
        self,
        rules: Sequence[Rule],
        types: Mapping[str, RuleType],
        names: Names,
        lists: Lists,
        cache: Path | None = None,
    ) -> None:
        self.rules = {rule.id: rule for rule in rules if rule.plan is not None}
        self._steps: dict[tuple[str, int], StepSpec] = {}
        predicates: dict[tuple[str, int, str], Predicate] = {}
        for rule in self.rules.values():
            for number, step in enumerate(types[rule.type].steps(rule.plan)):
                self._steps[rule.id, number] = step
                predicates[rule.id, number, ""] = step.where
            for name, silencer in rule.silencers:
                predicates[rule.id, -1, name] = silencer
        self._matcher = Matcher(predicates, cache=cache, lists=lists)
        self._clients = Clients(lists)
        self._peers = [names.field(name) for name in PEERS]
        self._forwarded = [names.field(name) for name in FORWARDED]
        self.ancestors = Ancestors()
        self._derived = Derived(self._clients)

    def run(self, batch: pa.RecordBatch, processes: pa.RecordBatch | None = None) -> pa.RecordBatch:
        """The hits of a batch of events, in rule order; `processes` are the batch's own process starts."""
        if processes is not None and processes.num_rows:
            self.ancestors.add(processes)
        wide = self._derived.widen(self.ancestors.widen(batch))
        matched = self._matcher.match(wide)
        hits: list[Hit] = []
        for (rule, number, silencer), rows in matched.items():
            if not silencer:
                hits.extend(self._of_step(wide, rule, number, rows, matched))
        return batch_of(hits)

    def _of_step(
        self, batch: pa.RecordBatch, rule_id: str, number: int, rows: np.ndarray[Any, Any], matched: Mapping[Any, Any]
    ) -> list[Hit]:
        rule, step = self.rules[rule_id], self._steps[rule_id, number]
        chosen = Rows(batch, rows)
        keys = [self._texts(chosen, field) for field in step.key]
        values = [self._texts(chosen, field) for field in step.values]
        silenced = self._silenced(rule, rows, matched)
        common = zip(
            chosen.column("@timestamp"),
            chosen.column("event.sequence"),
            chosen.column("winlog.record_id"),
            chosen.column("tocsin.id"),
            chosen.column("event.dataset"),
            chosen.column("host.name"),
            chosen.column("tocsin.lane"),
            chosen.column("tocsin.position"),
            chosen.column("tocsin.record"),
            chosen.column("tocsin.ingested"),
            strict=True,
        )
        out: list[Hit] = []
        for row, entry in enumerate(common):
            moment, sequence, record_id, id_, dataset, host, lane, position, record, arrival = entry
            place = (moment, sequence if sequence is not None else record_id, id_, dataset, host)
            after = (lane or 0, position or 0, record or 0, arrival, silenced.get(int(rows[row])))
            counted = _combined([column[row] for column in values], (True,) * len(values))
            for key in _combined([column[row] for column in keys], step.nullable):
                out.extend(Hit(rule.id, rule.generation, number, key, value, *place, *after) for value in counted)
        return out

    def _texts(self, rows: Rows, field: Field) -> list[list[str]]:
        if field.name != CLIENT:
            return [[key_text(value) for value in values] for values in rows.values(field)]
        peers = [rows.values(each) for each in self._peers]
        forwarded = [rows.values(each) for each in self._forwarded]
        out = []
        for row in range(rows.count):
            client = self._clients.of(
                (v for column in peers for v in column[row]), (v for column in forwarded for v in column[row])
            )
            out.append([] if client is None else [client])
        return out

    def _silenced(self, rule: Rule, rows: np.ndarray[Any, Any], matched: Mapping[Any, Any]) -> dict[int, str]:
        out: dict[int, str] = {}
        for name, _ in rule.silencers:
            found = matched.get((rule.id, -1, name))
            if found is not None:
                for row in np.intersect1d(rows, found, assume_unique=True):
                    out.setdefault(int(row), name)
        return out


def _combined(columns: Sequence[Sequence[str]], nullable: Sequence[bool]) -> list[tuple[str | None, ...]]:
    """Every combination of the key fields' values; a missing one is null where that counts, else there is no key."""
    choices: list[Sequence[str | None]] = []
    for column, may_be_null in zip(columns, nullable or (False,) * len(columns), strict=True):
        if column:
            choices.append(column)
        elif may_be_null:
            choices.append((None,))
        else:
            return []
    out = []
    for number, key in enumerate(product(*choices)):
        if number >= KEYS_A_EVENT:
            KEYS_CUT.inc()
            log.warning("an event has more than %d values for a rule's key; the rest is not looked at", KEYS_A_EVENT)
            break
        out.append(key)
    return out


def batch_of(hits: Sequence[Hit]) -> pa.RecordBatch:
    """Hits as a batch of `HIT_SCHEMA`."""
    if not hits:
        return pa.RecordBatch.from_pylist([], schema=HIT_SCHEMA)
    columns = list(zip(*hits, strict=True))
    arrays = []
    for column, each in zip(columns, HIT_SCHEMA, strict=True):
        values: Any = [list(value) for value in column] if pa.types.is_list(each.type) else column
        arrays.append(pa.array(values, each.type))
    return pa.RecordBatch.from_arrays(arrays, schema=HIT_SCHEMA)


def hits_of(batch: pa.RecordBatch) -> list[Hit]:
    """The inverse of `batch_of`."""
    columns: list[list[Any]] = []
    for column, each in zip(batch.columns, HIT_SCHEMA, strict=True):
        values = column.cast(pa.int64()) if pa.types.is_timestamp(each.type) else column
        items = values.to_pylist()
        columns.append([tuple(item or ()) for item in items] if pa.types.is_list(each.type) else items)
    return [Hit(*row) for row in zip(*columns, strict=True)]
