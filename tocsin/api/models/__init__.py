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
