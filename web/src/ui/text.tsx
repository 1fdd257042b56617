/** Words, times and identifiers as every page writes them. */
import { Fragment, useEffect, useState, type ReactNode } from 'react'

import { splitForMiddle } from './format'
import { usePrefs } from './prefs'
import { formatInTable, formatTime, relative, type Detail } from './time'

const listeners = new Set<(now: Date) => void>()
let ticking: ReturnType<typeof setInterval> | undefined

/** The time, renewed every 10 seconds: one clock for the whole page. */
export function useNow(): Date {
  const [now, setNow] = useState(() => new Date())
  useEffect(() => {
    listeners.add(setNow)
    ticking ??= setInterval(() => {
      const moment = new Date()
      listeners.forEach((listener) => { listener(moment) })
    }, 10_000)
    return () => {
      listeners.delete(setNow)
      if (listeners.size === 0) {
        clearInterval(ticking)
        ticking = undefined
      }
    }
  }, [])
  return now
}

interface TimeProps {
  /** ISO 8601, UTC. */
  at: string
  /** `table`: the clock today, day and clock before; `short`: the same without seconds; `relative`: how long ago. */
  detail?: Detail | 'table' | 'relative' | 'short'
}

/** A moment; its date, zone and age stand in the tooltip. */
export function Time({ at, detail = 'table' }: TimeProps) {
  const { zone } = usePrefs()
  const now = useNow()
  const moment = new Date(at)
  const full = `${formatTime(moment, zone, 'full')} ${zone === 'UTC' ? 'UTC' : 'local time'}`
  const ago = relative(moment, now)
  const text = detail === 'relative' ? ago : detail === 'table' || detail === 'short' ? formatInTable(moment, zone, now, detail === 'short') : formatTime(moment, zone, detail)
  // The browser's own tooltip: a table draws hundreds of these.
  return <time dateTime={at} title={detail === 'relative' ? full : `${full}, ${ago}`}>{text}</time>
}

/** How long ago, with the moment in the tooltip. */
export function RelativeTime({ at }: { at: string }) {
  return <Time at={at} detail="relative" />
}

/** A path, hash or command: the middle gives way, the end stays; whole in the tooltip and when copied. */
export function Truncated({ text, tail = 10, mono = true }: { text: string; tail?: number; mono?: boolean }) {
  const [head, end] = splitForMiddle(text, tail)
  return (
    <span className={mono ? 'mid mono' : 'mid'} title={text}>
      <span>{head}</span>
      {end !== '' && <span>{end}</span>}
    </span>
  )
}

/** A part of a sentence: words, or a noun that opens what it names. */
export type SentencePart = string | { text: string; field?: string }

interface SentenceProps {
  parts: readonly SentencePart[]
  /** A noun was clicked; Alt asks for a filter instead of the entity. */
  onPick?: (noun: { text: string; field?: string }, alt: boolean) => void
}

/** A noun of a sentence stays a noun: a command line gives way in its middle. */
export function shorten(text: string, most = 72): string {
  return text.length <= most ? text : `${text.slice(0, most - 21).trimEnd()} … ${text.slice(-18).trimStart()}`
}

/** What happened, in words whose nouns are links. */
export function Sentence({ parts, onPick }: SentenceProps) {
  return (
    <>
      {parts.map((part, index) => {
        if (typeof part === 'string') return <Fragment key={index}>{part}</Fragment>
        if (!onPick) return <span key={index} className="mono">{shorten(part.text)}</span>
        return (
          // Not a button element: a button is a box, and a sentence would break around it.
          <span
            key={index} role="button" tabIndex={0} className="ent" title={part.field ? `${part.field}: ${part.text}` : part.text} onClick={(event) => { onPick(part, event.altKey) }}
            onKeyDown={(event) => {
              if (event.key !== 'Enter' && event.key !== ' ') return
              event.preventDefault()
              event.stopPropagation()
              onPick(part, event.altKey)
            }}
          >{shorten(part.text)}</span>
        )
      })}
    </>
  )
}

/**
 * Find in a reason the values that the event's fields hold, and make nouns of them; the longest value wins.
 *
 * @param reason the sentence as the engine wrote it.
 * @param fields what may be a noun, by field.
 */
export function nounsOf(reason: string, fields: Readonly<Record<string, unknown>>): SentencePart[] {
  const nouns = Object.entries(fields)
    .flatMap(([field, value]) => (Array.isArray(value) ? (value as unknown[]) : [value]).map((held) => ({ field, text: typeof held === 'string' || typeof held === 'number' ? String(held) : '' })))
    .filter(({ text }) => text.length > 1)
    .sort((a, b) => b.text.length - a.text.length)
  const parts: SentencePart[] = []
  let rest = reason
  while (rest !== '') {
    let best: { at: number; noun: { field: string; text: string } } | undefined
    for (const noun of nouns) {
      const at = indexOfWord(rest, noun.text)
      if (at >= 0 && (best === undefined || at < best.at)) best = { at, noun }
    }
    if (!best) break
    if (best.at > 0) parts.push(rest.slice(0, best.at))
    parts.push({ field: best.noun.field, text: rest.slice(best.at, best.at + best.noun.text.length) })
    rest = rest.slice(best.at + best.noun.text.length)
  }
  if (rest !== '') parts.push(rest)
  return parts
}

const isWord = (letter: string | undefined) => letter !== undefined && /[\p{L}\p{N}_]/u.test(letter)

function indexOfWord(text: string, word: string): number {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const before = at > 0 ? text[at - 1] : undefined
    if (!(isWord(before) && isWord(word[0])) && !(isWord(text[at + word.length]) && isWord(word.at(-1)))) return at
  }
  return -1
}

/** Prose as its author broke it into lines: lines of one paragraph flow together, `code` stands in its own face. */
export function Prose({ text }: { text: string }) {
  const blocks = text.trim().split(/\n\s*\n/)
  return (
    <>
      {blocks.map((block, index) => (
        <p key={index} className="t2 prose">
          {flow(block).split('`').map((piece, at) => (at % 2 === 1 ? <code key={at} className="mono">{piece}</code> : <Fragment key={at}>{piece}</Fragment>))}
        </p>
      ))}
    </>
  )
}

/** Lines of a list, a heading or an indented block stay apart; the others are one line. */
export function flow(block: string): string {
  return block.replace(/[^\S\n]*\n(?!\s{4}|\s*(?:[-*+#>|]|\d+[.)]\s))[^\S\n]*/g, ' ')
}

/** A field's facts, one a line. */
export function KeyValue({ facts }: { facts: readonly (readonly [name: string, value: ReactNode] | null | false)[] }) {
  return (
    <dl className="kv">
      {facts.map((fact) => fact && (
        <Fragment key={fact[0]}>
          <dt>{fact[0]}</dt>
          <dd>{fact[1]}</dd>
        </Fragment>
      ))}
    </dl>
  )
}

interface CodeProps {
  text: string
  /** Pieces to mark where they occur, letter case aside: what a rule matched. */
  marks?: readonly string[]
  numbered?: boolean
  label?: string
}

/** Text as it was sent, with what matched marked. */
export function Code({ text, marks = [], numbered = false, label = 'code' }: CodeProps) {
  const pieces = markPieces(text, marks)
  return (
    <pre className={numbered ? 'code numbered' : 'code'} tabIndex={0} role="region" aria-label={label}>
      {numbered
        ? text.split('\n').map((line, index) => <span key={index}>{line === '' ? ' ' : line}</span>)
        : pieces.map((piece, index) => (piece.marked ? <mark key={index}>{piece.text}</mark> : piece.text))}
    </pre>
  )
}

/** Cut a text where marks begin and end; overlapping marks become one. */
export function markPieces(text: string, marks: readonly string[]): { text: string; marked: boolean }[] {
  const folded = text.toLowerCase()
  const spans: [number, number][] = []
  for (const mark of marks) {
    const wanted = mark.toLowerCase()
    if (wanted === '') continue
    for (let at = folded.indexOf(wanted), n = 0; at >= 0 && n < 1000; at = folded.indexOf(wanted, at + wanted.length), n += 1) spans.push([at, at + wanted.length])
  }
  spans.sort((a, b) => a[0] - b[0])
  const pieces: { text: string; marked: boolean }[] = []
  let done = 0
  for (const [from, to] of spans) {
    if (to <= done) continue
    const start = Math.max(from, done)
    if (start > done) pieces.push({ text: text.slice(done, start), marked: false })
    const last = pieces.at(-1)
    if (last?.marked && start === done) last.text += text.slice(start, to)
    else pieces.push({ text: text.slice(start, to), marked: true })
    done = to
  }
  if (done < text.length || pieces.length === 0) pieces.push({ text: text.slice(done), marked: false })
  return pieces
}

/** A key cap. */
export function Kbd({ children }: { children: string }) {
  return <kbd className="kbd" aria-hidden="true">{children}</kbd>
}

/** Somebody, by their initials; a dashed ring is nobody. */
export function Avatar({ name, small = true }: { name: string | null; small?: boolean }) {
  const size = small ? 'avatar sm' : 'avatar'
  return name === null ? <span className={`${size} none`} aria-hidden="true" /> : <span className={size} title={name} aria-hidden="true">{name.split(/[\s._@-]+/).filter(Boolean).slice(0, 2).map((word) => word.charAt(0).toUpperCase()).join('')}</span>
}
