/** What one person likes on one browser: theme, zone, density. Kept in localStorage, never sent. */
import { useSyncExternalStore } from 'react'

import type { Zone } from './time'

export type Theme = 'dark' | 'light' | 'contrast'
export type Density = 'compact' | 'normal' | 'relaxed'

export interface Prefs {
  theme: Theme
  zone: Zone
  density: Density
}

const KEY = 'tocsin.prefs'
const DEFAULTS: Prefs = { theme: 'dark', zone: 'UTC', density: 'normal' }
const listeners = new Set<() => void>()

function read(): Prefs {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Prefs>) }
  } catch {
    return DEFAULTS
  }
}

let current = typeof localStorage === 'undefined' ? DEFAULTS : read()

/** Change some of them; the page follows at once. */
export function setPrefs(change: Partial<Prefs>): void {
  current = { ...current, ...change }
  try {
    localStorage.setItem(KEY, JSON.stringify(current))
  } catch {
    // A browser that keeps nothing still shows what was picked.
  }
  listeners.forEach((listener) => { listener() })
}

/** The preferences as they are now. */
export function usePrefs(): Prefs {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => current,
  )
}

/** Remembered by name for this browser: widths, columns. Falls back when what is kept is of another shape. */
export function recall<T>(name: string, fallback: T): T {
  try {
    const kept = localStorage.getItem(`tocsin.${name}`)
    if (kept === null) return fallback
    const value = JSON.parse(kept) as unknown
    return typeof value === typeof fallback && Array.isArray(value) === Array.isArray(fallback) ? (value as T) : fallback
  } catch {
    return fallback
  }
}

/** Keep something by name for this browser. */
export function remember(name: string, value: unknown): void {
  try {
    localStorage.setItem(`tocsin.${name}`, JSON.stringify(value))
  } catch {
    // Nothing to do: it lasts until the page closes.
  }
}
