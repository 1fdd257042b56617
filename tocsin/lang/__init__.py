"""Query and rule languages: each parses to one predicate tree (`ir`), which has two back ends, `sql` and `match`.

`kql`, `eql`, `sigma` (later `lucene`, `esql`) → `ir` → `sql` | `match` | `explain`. `fields` says what a name means.
"""
