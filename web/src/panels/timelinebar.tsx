/** Values set aside while reading: the timeline bar at the foot of the page. */
import { useNavigate } from '@tanstack/react-router'
import { IconTimeline, IconX } from '@tabler/icons-react'
import { useSyncExternalStore } from 'react'

import { filterKql, type Filter } from '../ui/filters'

const KEY = 'tocsin.timeline'
const listeners = new Set<() => void>()
let kept: readonly Filter[] = read()

function read(): readonly Filter[] {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? '[]') as Filter[]
  } catch {
    return []
  }
}

function keep(next: readonly Filter[]): void {
  kept = next
  try {
    sessionStorage.setItem(KEY, JSON.stringify(next))
  } catch {
    // It lasts as long as the page then.
  }
  listeners.forEach((listener) => { listener() })
}

/** Set a value aside; the same value twice stays one. */
export function addToTimeline(field: string, value: string | number | boolean): void {
  keep([...kept.filter((other) => other.field !== field || other.value !== value), { field, value }])
}

/** What was set aside; opens as one search, of events that hold any of it. */
export function TimelineBar() {
  const items = useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => kept,
  )
  const navigate = useNavigate()
  if (items.length === 0) return null
  return (
    <section className="timeline-bar" aria-label="Timeline">
      <IconTimeline className="icon t3" size={16} />
      <span className="t3 only-wide">Timeline</span>
      {items.map((item) => (
        <span key={`${item.field}:${String(item.value)}`} className="pill closes">
          {item.field}: <b className="cut" style={{ maxWidth: 200 }}>{String(item.value)}</b>
          <button type="button" aria-label={`Remove from timeline: ${item.field}`} onClick={() => { keep(items.filter((other) => other !== item)) }}><IconX className="icon" size={12} /></button>
        </span>
      ))}
      <span className="grow" />
      <button type="button" className="btn" onClick={() => { void navigate({ to: '/discover', search: { q: items.map(filterKql).join(' or '), sort: '@timestamp:asc' } }) }}>Open in Discover</button>
      <button type="button" className="btn quiet" onClick={() => { keep([]) }}>Clear</button>
    </section>
  )
}
