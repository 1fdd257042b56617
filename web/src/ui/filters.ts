/** Filter pills: how the address bar keeps them, how the API takes them, and the KQL that they stand for. */
import type { ApiFilter } from '../api/types'

export type Held = string | number | boolean
export type Operator = NonNullable<ApiFilter['operator']>

/** One pill. Short names, because the address bar holds it. */
export interface Filter {
  field: string
  /** Absent: `is`. */
  op?: Exclude<Operator, 'is'>
  value?: Held | readonly Held[]
  not?: boolean
  /** Kept, but not applied. */
  off?: boolean
}

const WORDS = new Set(['and', 'or', 'not'])

/** A value as KQL takes it back unchanged: quoted unless it is a plain word or a number. */
export function quoteKql(value: Held): string {
  if (typeof value !== 'string') return String(value)
  if (/^[A-Za-z0-9_.-]+$/.test(value) && !WORDS.has(value.toLowerCase())) return value
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

const list = (value: Filter['value']): readonly Held[] => (value === undefined ? [] : typeof value === 'object' ? value : [value])

/** One pill as KQL. */
export function filterKql(filter: Filter): string {
  const values = list(filter.value)
  const test = filter.op === 'exists' || values.length === 0
    ? `${filter.field}: *`
    : filter.op === 'between'
      ? `(${filter.field} >= ${quoteKql(values[0] ?? '')} and ${filter.field} <= ${quoteKql(values[1] ?? '')})`
      : filter.op === 'matches'
        ? `${filter.field}: ${String(values[0])}`
        : values.length > 1 ? `${filter.field}: (${values.map(quoteKql).join(' or ')})` : `${filter.field}: ${quoteKql(values[0] ?? '')}`
  return filter.not ? `not ${test}` : test
}

/** All pills that are on, as one KQL expression; empty when there are none. */
export function filtersKql(filters: readonly Filter[]): string {
  return filters.filter(({ off }) => !off).map(filterKql).join(' and ')
}

/** A query and a further condition, both of which must hold. */
export function andKql(query: string, further: string): string {
  const a = query.trim()
  const b = further.trim()
  if (a === '' || b === '') return a || b
  return `${/\bor\b/i.test(a) ? `(${a})` : a} and ${/\bor\b/i.test(b) ? `(${b})` : b}`
}

/** Pills as the API takes them. */
export function toApi(filters: readonly Filter[]): ApiFilter[] {
  return filters.map(({ field, op, value, not = false, off = false }): ApiFilter => ({ field, operator: op ?? 'is', value: value ?? null, negate: not, disabled: off }))
}

/** What the value of a pill says. */
export function filterWords(filter: Filter): string {
  const values = list(filter.value).map(String)
  if (filter.op === 'exists' || values.length === 0) return 'exists'
  if (filter.op === 'between') return values.join(' to ')
  return values.join(' or ')
}

const same = (a: Filter, b: Filter) => a.field === b.field && (a.op ?? 'is') === (b.op ?? 'is') && JSON.stringify(a.value) === JSON.stringify(b.value)

/** Add a pill; its opposite, if there, is replaced, and a pill that is there already is switched on. */
export function addFilter(filters: readonly Filter[], filter: Filter): Filter[] {
  return [...filters.filter((other) => !same(other, filter)), filter]
}

/** Take a pill away. */
export function dropFilter(filters: readonly Filter[], filter: Filter): Filter[] {
  return filters.filter((other) => other !== filter)
}

const isHeld = (value: unknown): value is Held => typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
const OPERATORS: readonly unknown[] = ['is_one_of', 'exists', 'between', 'matches']

/** Read pills back from the address bar; what is not one is left out. */
export function readFilters(value: unknown): Filter[] {
  if (!Array.isArray(value)) return []
  return value.flatMap((item: unknown) => {
    if (typeof item !== 'object' || item === null) return []
    const { field, op, value: held, not, off } = item as Record<string, unknown>
    if (typeof field !== 'string' || field === '') return []
    const filter: Filter = { field }
    if (OPERATORS.includes(op)) filter.op = op as Exclude<Operator, 'is'>
    if (isHeld(held)) filter.value = held
    else if (Array.isArray(held)) filter.value = held.filter(isHeld)
    if (not === true) filter.not = true
    if (off === true) filter.off = true
    return [filter]
  })
}
