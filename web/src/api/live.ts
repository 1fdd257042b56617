/** Live updates: the server says what changed, the page asks for it again. */
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useSyncExternalStore } from 'react'

export type LiveState = 'waiting' | 'live' | 'lost'

let state: LiveState = 'waiting'
const listeners = new Set<() => void>()

/** Ids of alerts raised since the list was last drawn: new rows wait behind this count while somebody reads the list. */
let fresh: readonly string[] = []
let held = false

function tell(change: () => void): void {
  change()
  listeners.forEach((listener) => { listener() })
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Whether updates come. */
export function useLiveState(): LiveState {
  return useSyncExternalStore(subscribe, () => state)
}

/** Alerts that wait to be shown, since `showFresh`. */
export function useFresh(): readonly string[] {
  return useSyncExternalStore(subscribe, () => fresh)
}

/** Nothing moves under the pointer: while held, new alerts wait behind a count; let go, they show. */
export function holdRows(on: boolean): void {
  if (held === on) return
  held = on
  if (!held && fresh.length > 0) showFresh()
}

/** The lists show them now. */
export function showFresh(): void {
  if (fresh.length > 0) tell(() => { fresh = [] })
  renew?.('alerts')
}

let renew: ((...names: string[]) => void) | undefined

/** Names of queries, asked for again together: a burst of alerts is one request a second, not one an alert. */
export function gathered(renewAll: (names: readonly string[]) => void, wait = 500): (...names: string[]) => void {
  const waiting = new Set<string>()
  return (...names) => {
    const under = waiting.size > 0
    names.forEach((name) => waiting.add(name))
    if (under || names.length === 0) return
    setTimeout(() => {
      const all = [...waiting]
      waiting.clear()
      renewAll(all)
    }, wait)
  }
}

const EVERYTHING = ['alerts', 'alert', 'incidents', 'incident', 'status', 'sources', 'rules'] as const
const AGAIN = 5000

/** Listen while somebody is signed in; a connection that ended for good is made anew. */
export function useLive(enabled: boolean): void {
  const queries = useQueryClient()
  useEffect(() => {
    if (!enabled || typeof EventSource === 'undefined') return
    const stale = gathered((names) => { for (const name of names) void queries.invalidateQueries({ queryKey: [name] }) })
    renew = stale
    let source: EventSource | undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    const listen = () => {
      const made = new EventSource('/api/v1/live')
      source = made
      made.onopen = () => {
        // What happened in between was not told: all of it is asked for.
        if (state === 'lost') stale(...EVERYTHING)
        tell(() => { state = 'live' })
      }
      made.onerror = () => {
        tell(() => { state = 'lost' })
        // The browser tries again by itself, but not after an answer that is no stream (a restart behind a proxy).
        if (made.readyState === EventSource.CLOSED) timer = setTimeout(listen, AGAIN)
      }
      made.addEventListener('alert', (event: MessageEvent<string>) => {
        const { id, shown } = read(event.data)
        if (shown === undefined) stale('alerts', 'alert', 'incident')
        else if (shown && held && id !== undefined) {
          if (!fresh.includes(id)) tell(() => { fresh = [...fresh.slice(-999), id] })
        } else stale('alerts')
        stale('status')
      })
      made.addEventListener('incident', () => { stale('incidents', 'incident', 'status') })
      made.addEventListener('status', (event: MessageEvent<string>) => { stale(...(read(event.data).id === 'behind' ? EVERYTHING : ['status'])) })
      made.addEventListener('sources', () => { stale('sources') })
    }
    listen()
    return () => {
      clearTimeout(timer)
      source?.close()
      renew = undefined
      tell(() => { state = 'waiting' })
    }
  }, [enabled, queries])
}

/** An event of the stream: an id, and for a new alert whether it stands in the list; a decision of somebody has no `shown`. */
export function read(data: string): { id?: string; shown?: boolean } {
  try {
    const { id, shown } = JSON.parse(data) as { id?: unknown; shown?: unknown }
    return { ...(typeof id === 'string' ? { id } : {}), ...(typeof shown === 'boolean' ? { shown } : {}) }
  } catch {
    return {}
  }
}
