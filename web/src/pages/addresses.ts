/** What the address bar keeps, page by page. Whatever somebody types there is read, never trusted. */
import { readFilters, type Filter } from '../ui/filters'
import { LANGUAGES, type Language } from '../ui/querylang'

type Raw = Record<string, unknown>

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined)
const texts = (value: unknown): string[] | undefined => {
  const list = (Array.isArray(value) ? (value as unknown[]) : value === undefined ? [] : [value]).flatMap((item) => text(item) ?? [])
  return list.length > 0 ? list : undefined
}
const whole = (value: unknown): number | undefined => (typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined)
const truth = (value: unknown): true | undefined => (value === true ? true : undefined)
const oneOf = <T extends string>(value: unknown, choices: readonly T[]): T | undefined => choices.find((choice) => choice === value)
const pills = (value: unknown): Filter[] | undefined => {
  const filters = readFilters(value)
  return filters.length > 0 ? filters : undefined
}

/** Leave out what is not set, so that addresses stay short. */
function clean<T extends object>(address: T): T {
  return Object.fromEntries(Object.entries(address).filter(([, value]) => value !== undefined)) as T
}

export interface SpanAddress {
  from?: string | undefined
  to?: string | undefined
  /** Seconds between renewals. */
  renew?: number | undefined
}

const span = (raw: Raw): SpanAddress => ({ from: text(raw.from), to: text(raw.to), renew: whole(raw.renew) })

const STATUSES = ['open', 'acknowledged', 'closed'] as const

export interface AlertsAddress extends SpanAddress {
  q?: string | undefined
  /** Absent: open. `any` is every status. */
  status?: ('open' | 'acknowledged' | 'closed' | 'any')[] | undefined
  severity?: ('low' | 'medium' | 'high' | 'critical')[] | undefined
  host?: string[] | undefined
  user?: string[] | undefined
  rule?: string[] | undefined
  incident?: string | undefined
  filters?: Filter[] | undefined
  /** Building blocks too, withdrawn ones too. */
  blocks?: true | undefined
  withdrawn?: true | undefined
  group?: string | undefined
  sort?: string | undefined
  alert?: string | undefined
  tab?: 'overview' | 'table' | 'json' | 'notes' | undefined
}

export function alertsAddress(raw: Raw): AlertsAddress {
  const list = <T extends string>(value: unknown, choices: readonly T[]) => texts(value)?.flatMap((item) => oneOf(item, choices) ?? [])
  return clean({
    ...span(raw), q: text(raw.q), status: list(raw.status, [...STATUSES, 'any']), severity: list(raw.severity, ['low', 'medium', 'high', 'critical'] as const),
    host: texts(raw.host), user: texts(raw.user), rule: texts(raw.rule), incident: text(raw.incident), filters: pills(raw.filters), blocks: truth(raw.blocks), withdrawn: truth(raw.withdrawn),
    group: text(raw.group), sort: text(raw.sort), alert: text(raw.alert), tab: oneOf(raw.tab, ['overview', 'table', 'json', 'notes']),
  })
}

export interface DiscoverAddress extends SpanAddress {
  q?: string | undefined
  lang?: Language | undefined
  filters?: Filter[] | undefined
  columns?: string[] | undefined
  /** `@timestamp:asc` or absent, newest first. */
  sort?: string | undefined
  doc?: string | undefined
  tab?: 'table' | 'json' | undefined
  /** Split the histogram by this field. */
  by?: string | undefined
}

export function discoverAddress(raw: Raw): DiscoverAddress {
  return clean({
    ...span(raw), q: text(raw.q), lang: oneOf(raw.lang, LANGUAGES), filters: pills(raw.filters), columns: texts(raw.columns), sort: text(raw.sort),
    doc: text(raw.doc), tab: oneOf(raw.tab, ['table', 'json']), by: text(raw.by),
  })
}

export interface AnalyzerAddress {
  alert?: string | undefined
  event?: string | undefined
  node?: string | undefined
  category?: string | undefined
  doc?: string | undefined
  all?: true | undefined
}

export function analyzerAddress(raw: Raw): AnalyzerAddress {
  return clean({ alert: text(raw.alert), event: text(raw.event), node: text(raw.node), category: text(raw.category), doc: text(raw.doc), all: truth(raw.all) })
}

export interface IncidentsAddress {
  status?: 'open' | 'acknowledged' | 'closed' | 'any' | undefined
  sort?: 'score' | 'last' | undefined
}

export function incidentsAddress(raw: Raw): IncidentsAddress {
  return clean({ status: oneOf(raw.status, [...STATUSES, 'any']), sort: oneOf(raw.sort, ['score', 'last']) })
}

export interface RulesAddress {
  find?: string | undefined
  folder?: string | undefined
  status?: string | undefined
  sort?: string | undefined
}

export function rulesAddress(raw: Raw): RulesAddress {
  return clean({ find: text(raw.find), folder: text(raw.folder), status: text(raw.status), sort: text(raw.sort) })
}

export interface SourcesAddress {
  find?: string | undefined
  show?: 'silent' | 'late' | 'unparsed' | undefined
  source?: string | undefined
}

export function sourcesAddress(raw: Raw): SourcesAddress {
  return clean({ find: text(raw.find), show: oneOf(raw.show, ['silent', 'late', 'unparsed']), source: text(raw.source) })
}
