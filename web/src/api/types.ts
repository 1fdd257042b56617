/** The API's types under the names that the page uses. What the server answers is always whole: nothing in it is optional. */
import type * as api from './generated'

type Full<T> = T extends (infer U)[] ? Full<U>[] : T extends object ? { [K in keyof T]-?: Full<Exclude<T[K], undefined>> } : T

export type AlertDetail = Full<api.AlertDetail>
export type AlertPage = Full<api.AlertPage>
export type AlertRow = Full<api.AlertRow>
export type AuditEntry = Full<api.AuditEntry>
export type Channel = Full<api.Channel>
export type Delivery = Full<api.Delivery>
export type Evidence = Full<api.Evidence>
export type ExceptionPreview = Full<api.ExceptionPreview>
export type FieldInfo = Full<api.FieldInfo>
export type Found = Full<api.Found>
export type Graph = Full<api.Graph>
export type GraphNode = Full<api.Node>
export type HistogramPage = Full<api.HistogramPage>
export type IncidentDetail = Full<api.IncidentDetail>
export type IncidentPage = Full<api.IncidentPage>
export type IncidentRow = Full<api.IncidentRow>
export type Inspect = Full<api.Inspect>
export type Key = Full<api.Key>
export type Listener = Full<api.Listener>
export type ListTable = Full<api.ListTable>
export type Me = Full<api.Me>
export type Moment = Full<api.Moment>
export type NewKey = Full<api.NewKey>
export type Note = Full<api.Note>
export type Notifications = Full<api.Notifications>
export type Part = Full<api.Part>
export type Problem = Full<api.Problem>
export type QueryProblem = Full<api.QueryProblem>
export type Regrouped = Full<api.Regrouped>
export type RuleDetail = Full<api.RuleDetail>
export type RuleFolder = Full<api.RuleFolder>
export type RulePreview = Full<api.RulePreview>
export type RuleRow = Full<api.RuleRow>
export type RulesPage = Full<api.RulesPage>
export type SearchPage = Full<api.SearchPage>
export type Setup = Full<api.Setup>
export type Source = Full<api.Source>
export type SourcesPage = Full<api.SourcesPage>
export type StatusPage = Full<api.StatusPage>
export type Suggestion = Full<api.Suggestion>
export type TopPage = Full<api.TopPage>
export type Triage = Full<api.Triage>
export type TriageResult = Full<api.TriageResult>
export type User = Full<api.User>

// What the page sends: what has a default may be left out.
export type AlertSearch = api.AlertSearch
export type ExceptionDraft = api.ExceptionDraft
export type ApiFilter = api.Filter
export type HistogramRequest = api.HistogramRequest
export type IncidentSearch = api.IncidentSearch
export type KeyDraft = api.KeyDraft
export type RuleChange = api.RuleChange
export type RuleDraft = api.RuleDraft
export type SearchRequest = api.SearchRequest
export type SetupRequest = api.SetupRequest
export type SignIn = api.SignIn
export type TopRequest = api.TopRequest
export type TriageChange = api.TriageChange
export type UserChange = api.UserChange
export type UserDraft = api.UserDraft

/** A document: dotted names to values. */
export type Document = Record<string, unknown>
export type Role = Me['role']
export type Verdict = NonNullable<Triage['verdict']>
export type TriageStatus = Triage['status']
