/** Live updates: the server says what changed, the page asks for it again. */
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useSyncExternalStore } from 'react'

export type LiveState = 'waiting' | 'live' | 'lost'

let state: LiveState = 'waiting'
const listeners = new Set<() => void>()

/** Ids of alerts raised since the list was last drawn: new rows wait behind this count. */
let fresh: readonly string[] = []

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

/** Alerts that came since `clearFresh`. */
export function useFresh(): readonly string[] {
  return useSyncExternalStore(subscribe, () => fresh)
}

/** The list shows them now. */
export function clearFresh(): void {
  if (fresh.length > 0) tell(() => { fresh = [] })
}

/** Listen while somebody is signed in; the browser reconnects by itself. */
export function useLive(enabled: boolean): void {
  const queries = useQueryClient()
  useEffect(() => {
    if (!enabled || typeof EventSource === 'undefined') return
    const source = new EventSource('/api/v1/live')
    const stale = (...names: string[]) => { for (const name of names) void queries.invalidateQueries({ queryKey: [name] }) }
    source.onopen = () => { tell(() => { state = 'live' }) }
    source.onerror = () => { tell(() => { state = 'lost' }) }
    source.addEventListener('alert', (event: MessageEvent<string>) => {
      const id = idOf(event.data)
      if (id !== undefined && !fresh.includes(id)) tell(() => { fresh = [...fresh.slice(-999), id] })
      stale('status')
    })
    source.addEventListener('incident', () => { stale('incidents', 'incident', 'status') })
    source.addEventListener('status', () => { stale('status') })
    source.addEventListener('sources', () => { stale('sources') })
    return () => {
      source.close()
      tell(() => { state = 'waiting' })
    }
  }, [enabled, queries])
}

function idOf(data: string): string | undefined {
  try {
    const held = JSON.parse(data) as { id?: unknown }
    return typeof held.id === 'string' ? held.id : undefined
  } catch {
    return undefined
  }
}
