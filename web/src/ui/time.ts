/** Time as analysts type it and read it. Everything is UTC until it is drawn. */

/** A span as the address bar keeps it: `now-24h`, `now/d`, or an ISO time. */
export interface Span {
  from: string
  to: string
}

export type Zone = 'UTC' | 'local'

const UNITS: Record<string, number> = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3, w: 7 * 86400e3 }
const RELATIVE = /^now(?:([+-])(\d{1,6})([smhdwMy]))?(?:\/([smhdwMy]))?$/

/**
 * Read one end of a span.
 *
 * @param text `now`, `now-15m`, `now-1d/d` (Elasticsearch's date math, one step) or an ISO 8601 time; without a zone it is UTC.
 * @param now what `now` means.
 * @param upper rounding goes to the end of the unit, as it does for the upper bound of a range.
 * @returns the moment, or undefined when the text says none.
 */
export function parseMoment(text: string, now: Date, upper = false): Date | undefined {
  const trimmed = text.trim()
  const match = RELATIVE.exec(trimmed)
  if (match) {
    const [, sign, count, unit, round] = match
    let moment = new Date(now)
    if (unit !== undefined) moment = shift(moment, (sign === '-' ? -1 : 1) * Number(count), unit)
    if (round !== undefined) moment = floor(moment, round, upper)
    return Number.isNaN(moment.getTime()) ? undefined : moment
  }
  const iso = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?))?\s*(Z|[+-]\d{2}:?\d{2})?$/i.exec(trimmed)
  if (!iso) return undefined
  const parsed = new Date(`${iso[1] ?? ''}T${iso[2] ?? '00:00:00'}${iso[3] ?? 'Z'}`)
  return Number.isNaN(parsed.getTime()) ? undefined : parsed
}

function shift(moment: Date, count: number, unit: string): Date {
  const size = UNITS[unit]
  if (size !== undefined) return new Date(moment.getTime() + count * size)
  const moved = new Date(moment)
  if (unit === 'M') moved.setUTCMonth(moved.getUTCMonth() + count)
  else moved.setUTCFullYear(moved.getUTCFullYear() + count)
  return moved
}

function floor(moment: Date, unit: string, upper: boolean): Date {
  const start = new Date(moment)
  if (unit === 'y') start.setUTCMonth(0, 1)
  if (unit === 'M') start.setUTCDate(1)
  if (unit === 'w') start.setUTCDate(start.getUTCDate() - ((start.getUTCDay() + 6) % 7))
  if ('yMwd'.includes(unit)) start.setUTCHours(0, 0, 0, 0)
  else if (unit === 'h') start.setUTCMinutes(0, 0, 0)
  else if (unit === 'm') start.setUTCSeconds(0, 0)
  else start.setUTCMilliseconds(0)
  return upper ? new Date(shift(start, 1, unit).getTime() - 1) : start
}

/** Both ends as moments; an end that can't be read falls back to the last 24 hours. */
export function resolveSpan(span: Span, now: Date): { from: Date; to: Date } {
  const to = parseMoment(span.to, now, true) ?? now
  const from = parseMoment(span.from, now) ?? new Date(to.getTime() - 86400e3)
  return from.getTime() <= to.getTime() ? { from, to } : { from: to, to: from }
}

/** The spans that the picker offers, by name. */
export const PRESETS: readonly (Span & { name: string })[] = [
  { name: 'Last 15 minutes', from: 'now-15m', to: 'now' },
  { name: 'Last hour', from: 'now-1h', to: 'now' },
  { name: 'Last 4 hours', from: 'now-4h', to: 'now' },
  { name: 'Last 24 hours', from: 'now-24h', to: 'now' },
  { name: 'Today', from: 'now/d', to: 'now/d' },
  { name: 'Last 7 days', from: 'now-7d', to: 'now' },
  { name: 'Last 30 days', from: 'now-30d', to: 'now' },
  { name: 'Last 90 days', from: 'now-90d', to: 'now' },
  { name: 'Last year', from: 'now-1y', to: 'now' },
]

const UNIT_WORDS: Record<string, string> = { s: 'second', m: 'minute', h: 'hour', d: 'day', w: 'week', M: 'month', y: 'year' }

/** A span in words, for the button that opens the picker. */
export function spanLabel(span: Span, zone: Zone): string {
  const preset = PRESETS.find(({ from, to }) => from === span.from && to === span.to)
  if (preset) return preset.name
  const last = /^now-(\d+)([smhdwMy])$/.exec(span.from)
  if (last && span.to === 'now') {
    const [, count = '', unit = ''] = last
    return `Last ${count} ${UNIT_WORDS[unit] ?? unit}${count === '1' ? '' : 's'}`
  }
  return `${end(span.from, zone)} to ${end(span.to, zone)}`
}

function end(text: string, zone: Zone): string {
  if (text.startsWith('now')) return text
  const moment = parseMoment(text, new Date(0))
  return moment ? formatTime(moment, zone, 'minute') : text
}

/** How much of a moment to write. */
export type Detail = 'clock' | 'minute' | 'full' | 'day'

const two = (value: number, width = 2) => String(value).padStart(width, '0')
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

function parts(moment: Date, zone: Zone) {
  return zone === 'UTC'
    ? { y: moment.getUTCFullYear(), mo: moment.getUTCMonth(), d: moment.getUTCDate(), h: moment.getUTCHours(), mi: moment.getUTCMinutes(), s: moment.getUTCSeconds(), ms: moment.getUTCMilliseconds() }
    : { y: moment.getFullYear(), mo: moment.getMonth(), d: moment.getDate(), h: moment.getHours(), mi: moment.getMinutes(), s: moment.getSeconds(), ms: moment.getMilliseconds() }
}

/** One format everywhere: `14:32:15.402`, `12 Nov 14:32`, `2026-11-12 14:32:15.402`. */
export function formatTime(moment: Date, zone: Zone, detail: Detail): string {
  if (Number.isNaN(moment.getTime())) return 'no time'
  const p = parts(moment, zone)
  const clock = `${two(p.h)}:${two(p.mi)}:${two(p.s)}.${two(p.ms, 3)}`
  switch (detail) {
    case 'clock': return clock
    case 'minute': return `${p.d} ${MONTHS[p.mo] ?? ''} ${two(p.h)}:${two(p.mi)}`
    case 'day': return `${p.d} ${MONTHS[p.mo] ?? ''}`
    case 'full': return `${two(p.y, 4)}-${two(p.mo + 1)}-${two(p.d)} ${clock}`
  }
}

/** Clock time for today's moments, day and clock for others: what a table shows; `short` leaves seconds out. */
export function formatInTable(moment: Date, zone: Zone, now: Date, short = false): string {
  if (Number.isNaN(moment.getTime())) return 'no time'
  const a = parts(moment, zone)
  const b = parts(now, zone)
  const clock = formatTime(moment, zone, 'clock').slice(0, short ? 5 : undefined)
  if (a.y === b.y && a.mo === b.mo && a.d === b.d) return clock
  return a.y === b.y ? `${a.d} ${MONTHS[a.mo] ?? ''} ${clock}` : formatTime(moment, zone, 'full')
}

/** `15 min ago`, `in 3 days`. */
export function relative(moment: Date, now: Date): string {
  const gap = now.getTime() - moment.getTime()
  const words = duration(Math.abs(gap))
  if (Math.abs(gap) < 1000) return 'now'
  return gap >= 0 ? `${words} ago` : `in ${words}`
}

/** A length of time, two figures at most: `0.28 s`, `15 min`, `1 h 20`, `3 days`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return '–'
  const s = Math.abs(ms) / 1000
  if (s < 0.001) return '0 s'
  if (s < 10) return `${s.toFixed(2)} s`
  if (s < 60) return `${s.toFixed(s < 30 ? 1 : 0)} s`
  const minutes = Math.floor(s / 60)
  if (minutes < 60) return minutes < 10 && Math.round(s % 60) > 0 ? `${minutes} min ${two(Math.floor(s % 60))} s` : `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 ? `${hours} h ${two(minutes % 60)}` : `${hours} h`
  return `${Math.floor(hours / 24)} days`
}
