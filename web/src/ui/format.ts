/** Numbers, sizes and values as they are written on the page. */

const counts = new Intl.NumberFormat('en-GB')

/** `48,216`: exact, never rounded without saying so. */
export function count(value: number): string {
  return counts.format(value)
}

/** `1 alert`, `4 alerts`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

/** `18.4 KB`. */
export function bytes(value: number): string {
  const names = ['B', 'KB', 'MB', 'GB', 'TB', 'PB']
  let rest = Math.abs(value)
  let step = 0
  while (rest >= 1000 && step < names.length - 1) {
    rest /= 1000
    step += 1
  }
  return `${step === 0 || rest >= 100 ? rest.toFixed(0) : rest.toFixed(1)} ${names[step] ?? ''}`
}

/** A rate for a table: `212`, `9.2`, `0.1`. */
export function rate(value: number): string {
  if (value === 0) return '0'
  if (value < 0.1) return '<0.1'
  return value >= 100 ? count(Math.round(value)) : value.toFixed(1)
}

/** A share: `41.5 %`, `0.01 %`. */
export function percent(share: number): string {
  if (share === 0) return '0 %'
  if (share < 0.0001) return '<0.01 %'
  return `${(share * 100).toFixed(share < 0.01 ? 2 : 1)} %`
}

/** What a field holds, as text: arrays joined, objects as JSON, nothing as an empty string. */
export function asText(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.map(asText).join(', ')
  if (typeof value === 'object') return JSON.stringify(value)
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint' ? String(value) : ''
}

/**
 * A document's fields under their dotted names, whether it comes nested, dotted or mixed.
 *
 * Lists stay lists. Depth is bounded: a document is hostile input too.
 */
export function flatten(doc: Readonly<Record<string, unknown>>, prefix = '', depth = 0, into: Record<string, unknown> = {}): Record<string, unknown> {
  for (const [key, value] of Object.entries(doc)) {
    const name = prefix === '' ? key : `${prefix}.${key}`
    if (value !== null && typeof value === 'object' && !Array.isArray(value) && depth < 20) flatten(value as Record<string, unknown>, name, depth + 1, into)
    else into[name] = value
  }
  return into
}

/** Where to cut a long value so that its end stays in sight: the head may shrink, the tail may not. */
export function splitForMiddle(text: string, tail = 14): [head: string, tail: string] {
  return text.length <= tail * 2 ? [text, ''] : [text.slice(0, -tail), text.slice(-tail)]
}

/** An address of the web, or nothing: what logs hold is never made a link with another scheme. */
export function safeHref(text: string): string | undefined {
  try {
    const url = new URL(text)
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : undefined
  } catch {
    return undefined
  }
}

/** Initials for the round mark of a person. */
export function initials(name: string): string {
  const words = name.split(/[\s._@-]+/).filter(Boolean)
  const letters = words.length > 1 ? `${words[0]?.[0] ?? ''}${words[1]?.[0] ?? ''}` : name.slice(0, 2)
  return letters.toUpperCase()
}
