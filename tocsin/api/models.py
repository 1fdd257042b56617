"""What the API under `/api/v1` takes and answers: the contract between server, page and programs.

| route | takes → answers |
|---|---|
| GET /setup · POST /setup | → `Setup` · `SetupRequest` → `Me` (creates the first admin; needs the token that `serve`
printed) |
| POST /session · DELETE /session · GET /me | `SignIn` → `Me`, sets the cookie · → 204 · → `Me` |
| GET /status | → `StatusPage` |
| GET /fields?q=&of= | → list of `FieldInfo` |
| POST /complete | `CompleteRequest` → list of `Suggestion` |
| POST /search | `SearchRequest` → `SearchPage` |
| POST /histogram · POST /top · POST /present | `HistogramRequest` → `HistogramPage` · `TopRequest` → `TopPage` ·
`SearchRequest` → dict name → count |
| GET /documents/{of}/{id} | → `Found` |
| POST /alerts/search · GET /alerts/{id} | `AlertSearch` → `AlertPage` · → `AlertDetail` |
| POST /alerts/trend | `AlertSearch` → `HistogramPage` split by severity |
| POST /alerts/triage · POST /incidents/triage | `TriageRequest` → `TriageResult` (409 where a revision is not the
current one) |
| POST /alerts/{id}/notes · POST /incidents/{id}/notes | `NoteRequest` → `Note` |
| POST /incidents/search · GET /incidents/{id} | `IncidentSearch` → `IncidentPage` · → `IncidentDetail` |
| GET /analyzer?alert=ID or ?event=ID | → `Graph` |
| GET /analyzer/events?node=ID&category=&limit=&graph= | → `SearchPage` (the events of one node; `graph` is the alert
or event of the graph) |
| GET /rules · GET /rules/{id} | → `RulesPage` · → `RuleDetail` |
| POST /rules · PATCH /rules/{id} · DELETE /rules/{id} | `RuleDraft` → `RuleDetail` · `RuleChange` → `RuleDetail` · →
204 (own rules only) |
| POST /rules/preview | `RuleDraft` → `RulePreview` |
| POST /rules/{id}/exceptions[/preview] · DELETE /rules/{id}/exceptions/{n} | `ExceptionDraft` → `RuleDetail` /
`ExceptionPreview` · → `RuleDetail` |
| GET /lists · PUT /lists/{name} | → list of `ListTable` · `ListTable` → `ListTable` |
| GET /sources | → `SourcesPage` |
| GET /users · POST /users · PATCH /users/{name} | → list of `User` · `UserDraft` → `User` · `UserChange` → `User` |
| GET /keys · POST /keys · DELETE /keys/{id} | → list of `Key` · `KeyDraft` → `NewKey` · → 204 |
| GET /notifications · PUT /notifications · POST /notifications/test | → `Notifications` · `Notifications` →
`Notifications` · → `Delivery` |
| GET /audit?before=&limit= | → list of `AuditEntry` |
| GET /live | server-sent events named `alert`, `incident`, `status`, `sources`, each with a small JSON `{"id": …}` |

Times are RFC 3339 texts in UTC. Errors are RFC 9457 `application/problem+json` (`Problem`). A document is flat: dotted
ECS names to values; a name that is missing has no value. Roles: viewer reads; analyst triages, notes, makes rules and
exceptions; admin all.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Document = dict[str, Any]
Severity = Literal["low", "medium", "high", "critical"]
Role = Literal["admin", "analyst", "viewer"]
Language = Literal["kql", "eql", "sigma", "sql"]
Of = Literal["events", "alerts", "incidents"]
TriageStatus = Literal["open", "acknowledged", "closed"]
Verdict = Literal["true_positive", "false_positive", "benign", "duplicate"]


class Model(BaseModel):
    """An unknown key is an error, never silence."""

    model_config = ConfigDict(extra="forbid")


class QueryProblem(Model):
    """One wrong place in a query; lines and columns count from 1."""

    what: str
    line: int
    column: int
    length: int
    hint: str = ""


class Problem(Model):
    """RFC 9457. `problems` is there when a query or rule can't be read."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    hint: str = ""
    problems: list[QueryProblem] = []


# ---- people ----


class Setup(Model):
    """Whether the first admin is still to be made."""

    needed: bool


class SetupRequest(Model):
    """The first admin."""

    token: str
    username: str
    password: Annotated[str, Field(min_length=10, max_length=256)]


class SignIn(Model):
    """Name and password."""

    username: str
    password: str


class Me(Model):
    """Who is signed in; `csrf` goes into the header X-CSRF of every request that changes something."""

    username: str
    role: Role
    csrf: str
    version: str


class User(Model):
    """A person with an account."""

    username: str
    role: Role
    disabled: bool = False
    last_seen: str | None = None


class UserDraft(Model):
    """A new account."""

    username: str
    password: Annotated[str, Field(min_length=10, max_length=256)]
    role: Role


class UserChange(Model):
    """What is given changes."""

    password: Annotated[str, Field(min_length=10, max_length=256)] | None = None
    role: Role | None = None
    disabled: bool | None = None


class Key(Model):
    """A key for a shipper ("ingest") or a program ("read", "write")."""

    id: str
    name: str
    scopes: list[Literal["ingest", "read", "write"]]
    created: str
    created_by: str
    last_used: str | None = None


class KeyDraft(Model):
    """A new key."""

    name: str
    scopes: list[Literal["ingest", "read", "write"]]


class NewKey(Model):
    """The secret is shown once. `encoded` is what `Authorization: ApiKey …` takes; `beats` is id:secret."""

    key: Key
    secret: str
    encoded: str
    beats: str


class AuditEntry(Model):
    """Who did what, from where."""

    id: int
    time: str
    who: str
    action: str
    what: str
    peer: str | None = None
    detail: dict[str, Any] = {}


# ---- state of the system ----


class Listener(Model):
    """An address that shippers can send to, and how to try it."""

    name: str
    address: str
    example: str


class StatusPage(Model):
    """What Home and the top bar show."""

    version: str
    started: str
    events: int
    events_per_second: float
    bytes_on_disk: int
    journal_lag: int
    open_alerts: dict[str, int]
    open_incidents: int
    rules: int
    rules_enabled: int
    rules_looking_back: int = 0  # rules that are new and have yet to look back over stored events
    listeners: list[Listener]
    last_event: str | None
    problems: list[str]
    demo: bool = False


class Source(Model):
    """One sender of one dataset."""

    dataset: str
    sender: str
    host: str | None
    events: int
    events_per_second: float
    bytes: int
    first: str
    last: str
    lag_seconds: float
    late: int
    unparsed: int
    overflowed: int
    reasons: dict[str, int]
    histogram: list[int]
    status: Literal["ok", "silent", "failing"]


class SourcesPage(Model):
    """All sources, and the last of what could not be read."""

    sources: list[Source]
    unparsed: list[Document]
    drops: dict[str, int]


# ---- searching ----


class Filter(Model):
    """A filter pill. `value` None with operator "exists" asks whether there is any."""

    field: str
    operator: Literal["is", "is_one_of", "exists", "between", "matches"] = "is"
    value: Any = None
    negate: bool = False
    disabled: bool = False


class SearchRequest(Model):
    """A query over a time range; `start` and `end` are RFC 3339 or date math ("now-15m", "now/d")."""

    query: str = ""
    language: Language = "kql"
    of: Of = "events"
    start: str | None = None
    end: str | None = None
    filters: list[Filter] = []
    size: Annotated[int, Field(ge=0, le=10_000)] = 100
    after: str | None = None
    oldest_first: bool = False
    fields: list[str] | None = None


class Found(Model):
    """One document."""

    id: str
    time: str
    document: Document


class Inspect(Model):
    """What was asked of the store."""

    sql: str
    parameters: dict[str, Any]
    milliseconds: float


class SearchPage(Model):
    """`total` is exact. `next` is the `after` of the next page. A sequence query fills `sequences` (events in
    order)."""

    documents: list[Found]
    sequences: list[list[Found]] = []
    total: int
    next: str | None = None
    inspect: Inspect | None = None
    start: str | None = None
    end: str | None = None


class HistogramRequest(SearchRequest):
    """Counts over time, split by a field's top values where `by` is given."""

    buckets: Annotated[int, Field(ge=1, le=500)] = 60
    by: str | None = None


class HistogramPage(Model):
    """`counts[series][i]` counts from `start + i * width_ms`."""

    start: str
    width_ms: int
    counts: dict[str, list[int]]
    total: int


class TopRequest(SearchRequest):
    """The commonest values of a field."""

    field: str
    limit: Annotated[int, Field(ge=1, le=1000)] = 10


class TopValue(Model):
    """A value and in how many matches it stands."""

    value: Any
    count: int


class TopPage(Model):
    """Exact counts; `total` matches have the field, `missing` have not."""

    field: str
    values: list[TopValue]
    total: int
    missing: int


class FieldInfo(Model):
    """A field that can be asked for."""

    name: str
    kind: Literal["keyword", "text", "long", "double", "boolean", "date", "ip", "unknown"]
    ecs: bool
    alias_of: str | None = None


class CompleteRequest(Model):
    """The query and where the caret stands (UTF-16 code units, as in the browser)."""

    text: str
    cursor: int
    language: Language = "kql"


class Suggestion(Model):
    """Replace text[start:end] by `insert`."""

    insert: str
    label: str
    kind: Literal["field", "value", "operator"]
    detail: str = ""
    start: int
    end: int


# ---- alerts and incidents ----


class Note(Model):
    """What somebody wrote."""

    author: str
    time: str
    text: str


class NoteRequest(Model):
    """A new note."""

    text: Annotated[str, Field(min_length=1, max_length=10_000)]


class Triage(Model):
    """What people decided; `revision` 0 means nobody has yet."""

    status: TriageStatus = "open"
    verdict: Verdict | None = None
    assignee: str | None = None
    tags: list[str] = []
    notes: list[Note] = []
    revision: int = 0
    changed: str | None = None
    changed_by: str | None = None


class TriageChange(Model):
    """What is given changes; an empty assignee takes it away."""

    status: TriageStatus | None = None
    verdict: Verdict | None = None
    assignee: str | None = None
    add_tags: list[str] = []
    remove_tags: list[str] = []


class TriageRequest(Model):
    """One change to many; `revisions` (id → revision seen) makes it compare-and-set."""

    ids: Annotated[list[str], Field(min_length=1, max_length=10_000)]
    change: TriageChange
    revisions: dict[str, int] = {}


class TriageResult(Model):
    """The new state of each."""

    triage: dict[str, Triage]


class AlertSearch(Model):
    """The controls of Security Alerts; empty lists mean any. `query` is KQL over alerts."""

    query: str = ""
    start: str | None = None
    end: str | None = None
    statuses: list[TriageStatus] = ["open"]
    severities: list[Severity] = []
    hosts: list[str] = []
    users: list[str] = []
    rules: list[str] = []
    incident: str | None = None
    building_blocks: bool = False
    withdrawn: bool = False
    filters: list[Filter] = []
    sort: str = "@timestamp"
    descending: bool = True
    size: Annotated[int, Field(ge=0, le=10_000)] = 100
    after: str | None = None


class AlertRow(Model):
    """One alert in a table; `document` has the fields of the event (or what its events share) and `kibana.alert.*`."""

    id: str
    time: str
    rule_id: str
    rule: str
    severity: Severity
    risk_score: float
    reason: str
    state: Literal["active", "withdrawn"]
    building_block: bool
    suppressed: int
    incident: str | None
    triage: Triage
    document: Document


class AlertPage(Model):
    """`total` is exact; `by_severity` counts all that match, not the page."""

    alerts: list[AlertRow]
    total: int
    next: str | None
    by_severity: dict[str, int]


class Part(Model):
    """A piece of a sentence: plain text, or a value with its field, which the page makes something to click."""

    text: str
    field: str | None = None
    value: Any = None


class Evidence(Model):
    """A clause of the rule that held, with the value that made it hold."""

    clause: str
    field: str | None = None
    value: Any = None
    held: bool = True


class RelatedAlert(Model):
    """An alert beside this one, and why."""

    alert: AlertRow
    why: str


class AlertDetail(Model):
    """Everything of the flyout: sentence first, evidence under it, raw last."""

    alert: AlertRow
    sentence: list[Part]
    rule: RuleRow
    note: str
    false_positives: list[str]
    misses: str
    evidence: list[Evidence]
    highlighted: list[Part]
    events: list[Found]
    suppressed: list[Found]
    related: list[RelatedAlert]
    incident: IncidentRow | None
    can_analyze: bool


class IncidentSearch(Model):
    """Incidents by last change, newest first, or by score."""

    query: str = ""
    start: str | None = None
    end: str | None = None
    statuses: list[TriageStatus] = ["open"]
    sort: Literal["score", "last"] = "score"
    size: Annotated[int, Field(ge=0, le=1000)] = 50
    after: str | None = None


class IncidentRow(Model):
    """One incident in a list."""

    id: str
    title: str
    summary: str
    severity: Severity
    score: float
    first: str
    last: str
    alerts: int
    rules: list[str]
    hosts: list[str]
    users: list[str]
    addresses: list[str]
    techniques: list[str]
    notified: str | None
    triage: Triage


class IncidentPage(Model):
    """`total` is exact."""

    incidents: list[IncidentRow]
    total: int
    next: str | None


class Join(Model):
    """Why two alerts are in one incident."""

    first: str
    second: str
    key: str
    value: str
    why: str


class Moment(Model):
    """One line of an incident's timeline."""

    time: str
    kind: Literal["alert", "event", "notification", "triage"]
    title: list[Part]
    severity: Severity | None = None
    alert: str | None = None
    event: str | None = None
    node: str | None = None  # of the Analyzer's graph


class IncidentMerge(Model):
    """What becomes one with an incident: other incidents, and single alerts."""

    incidents: Annotated[list[str], Field(max_length=100)] = []
    alerts: Annotated[list[str], Field(max_length=500)] = []


class IncidentSplit(Model):
    """The alerts that leave an incident."""

    alerts: Annotated[list[str], Field(min_length=1, max_length=500)]


class Regrouped(Model):
    """Where the alerts are after a merge or split: the incidents, the asked one's first, and those in none."""

    incidents: list[IncidentRow]
    alone: list[str]


class Scored(Model):
    """One reason of a score, with its points."""

    why: str
    points: float


class IncidentDetail(Model):
    """The story: what happened in order, why the alerts belong together, why it ranks where it does."""

    incident: IncidentRow
    story: list[list[Part]]
    timeline: list[Moment]
    alerts: list[AlertRow]
    joins: list[Join]
    score: list[Scored]


# ---- analyzer ----


class NodeAlert(Model):
    """An alert on a node."""

    id: str
    rule: str
    severity: Severity


class Node(Model):
    """A process, a script that a shell ran, a connection's far end, or the writer of a file.

    `counts` are events of the node by category: file, registry, network, dns, library, script. `facts` are shown in
    the panel.
    """

    id: str
    kind: Literal["process", "script", "connection", "host"]
    label: str
    detail: str
    host: str | None
    time: str | None
    end: str | None = None
    trigger: bool = False
    on_path: bool = False
    state: Literal["running", "ended", "unknown"] = "unknown"
    counts: dict[str, int] = {}
    alerts: list[NodeAlert] = []
    facts: list[Part] = []
    document: Document = {}
    sentence: list[Part] = []
    more: int = 0


class Edge(Model):
    """`started` and `ran` are the tree; `connected` leads to a connection, `wrote` to a script's file, `same` joins
    flows."""

    id: str
    source: str
    target: str
    kind: Literal["started", "ran", "connected", "wrote", "served", "same"]
    elapsed_us: int | None = None
    label: str = ""
    on_path: bool = False
    event: str | None = None


class Graph(Model):
    """Nodes in order of time; `total` processes are known where the graph shows fewer."""

    nodes: list[Node]
    edges: list[Edge]
    trigger: str
    total: int
    title: str
    start: str
    end: str
    marks: list[Moment] = []


# ---- rules ----


class TechniqueRef(Model):
    """ATT&CK ids and names."""

    tactic: str
    tactic_name: str
    technique: str = ""
    name: str = ""


class RuleRow(Model):
    """One rule in the list."""

    id: str
    name: str
    type: str
    severity: Severity
    risk_score: float
    enabled: bool
    status: Literal["ok", "blind", "unsupported", "invalid", "learning"]
    reason: str
    folder: str
    format: Literal["elastic", "sigma"]
    tags: list[str]
    techniques: list[TechniqueRef]
    building_block: bool
    own: bool
    alerts_24h: int
    alerts_open: int
    last_alert: str | None
    exceptions: int


class RulesPage(Model):
    """All rules (the page filters), and the folders that they came from."""

    rules: list[RuleRow]
    folders: list[RuleFolder]


class RuleFolder(Model):
    """Where rules were read from, and what came of them."""

    path: str
    name: str
    total: int
    ok: int
    blind: int
    unsupported: int
    invalid: int


class RuleException(Model):
    """What is left out of a rule."""

    number: int
    entries: list[Filter]
    comment: str
    author: str
    created: str
    expires: str | None
    hidden: int


class EvidenceCase(Model):
    """One case of the rule's test file and whether it does as it says."""

    name: str
    expect: Literal["fires", "quiet"]
    passed: bool
    detail: str


class RuleDetail(Model):
    """The page of one rule."""

    rule: RuleRow
    description: str
    query: str
    language: str
    text: str
    readable: str
    scope: str
    false_positives: list[str]
    misses: str
    note: str
    references: list[str]
    author: list[str]
    version: int
    warnings: list[str]
    required_fields: list[str]
    exceptions: list[RuleException]
    evidence: list[EvidenceCase]
    lists: list[str]


class RuleDraft(Model):
    """A rule made on the page: KQL, EQL (sequences too), a Sigma YAML text, or a threshold over KQL."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: str = ""
    language: Language = "kql"
    query: str = ""
    severity: Severity = "medium"
    risk_score: float | None = None
    tags: list[str] = []
    enabled: bool = True
    threshold: ThresholdDraft | None = None
    suppress_by: list[str] = []
    suppress_minutes: int = 60
    start: str | None = None
    end: str | None = None


class ThresholdDraft(Model):
    """So many events of a group within a window."""

    by: list[str]
    value: Annotated[int, Field(ge=1)]
    minutes: Annotated[int, Field(ge=1)]
    distinct: str | None = None
    distinct_value: int | None = None


class RuleChange(Model):
    """What is given changes; a draft replaces the text of an own rule."""

    enabled: bool | None = None
    draft: RuleDraft | None = None


class RulePreview(Model):
    """What the rule would have found in the range of the draft."""

    alerts: int
    events: int
    histogram: HistogramPage
    samples: list[Found]
    milliseconds: float
    warnings: list[str] = []


class ExceptionDraft(Model):
    """All entries must hold (AND)."""

    entries: Annotated[list[Filter], Field(min_length=1)]
    comment: str = ""
    expires: str | None = None
    close_matching: bool = False


class ExceptionPreview(Model):
    """What it would have hidden in 30 days."""

    alerts: int
    total: int
    samples: list[AlertRow]


class ListTable(Model):
    """A list that rules use; every row has `columns`' names."""

    name: str
    columns: list[str]
    rows: list[dict[str, str]]
    shipped: bool = True
    used_by: list[str] = []


# ---- notifications ----


class Channel(Model):
    """An apprise URL (secrets are shown masked) and what goes there."""

    id: str = ""
    name: str
    url: str
    incidents: bool = True
    minimum_severity: Severity | None = None
    fixed: bool = False  # of the settings file: it can't be changed here


class Notifications(Model):
    """Where somebody is told."""

    channels: list[Channel]
    last: list[Delivery] = []


class Delivery(Model):
    """One message and what became of it."""

    time: str
    channel: str
    title: str
    state: Literal["sent", "pending", "failed"]
    attempts: int
    error: str = ""


for _model in (AlertDetail, RulesPage, RuleDraft, Notifications):
    _model.model_rebuild()
