/** Waiting, failure and emptiness, drawn once for every panel. */
import { IconAlertCircle, IconInbox } from '@tabler/icons-react'
import type { ReactNode } from 'react'

/** What a panel needs to know of a request; TanStack Query's results fit. */
export interface Loading<T> {
  data: T | undefined
  error: Error | null
  isPending: boolean
  refetch: () => unknown
}

interface LoadedProps<T> {
  query: Loading<T>
  /** Drawn once there is something. */
  children: (data: T) => ReactNode
  /** What is missing, and how to fill it; shown for an empty list or when `isEmpty` says so. */
  empty?: ReactNode
  isEmpty?: (data: T) => boolean
  /** What will come, in its own shape. */
  skeleton?: ReactNode
}

/** Draws data, or says why there is none. Data that is there stays while a renewal fails. */
export function Loaded<T>({ query, children, empty, isEmpty, skeleton }: LoadedProps<T>) {
  if (query.data === undefined) {
    if (query.error) return <Failed error={query.error} retry={query.refetch} />
    return <div aria-busy="true" aria-label="Waiting for data" role="status">{skeleton ?? <SkeletonRows />}</div>
  }
  const nothing = isEmpty ? isEmpty(query.data) : Array.isArray(query.data) && query.data.length === 0
  return (
    <>
      {query.error && <Failed error={query.error} retry={query.refetch} stale />}
      {nothing && empty !== undefined ? (typeof empty === 'string' ? <Empty title={empty} /> : empty) : children(query.data)}
    </>
  )
}

/** An error that says where, what and what next. */
export interface Explained extends Error {
  /** Several lines with a caret under the place. */
  place?: string
}

/** A refusal, with a way on. */
export function Failed({ error, retry, stale = false }: { error: Explained; retry?: () => unknown; stale?: boolean }) {
  return (
    <div className="failed" role="alert">
      <IconAlertCircle className="icon" size={18} />
      <div>
        {error.message}{stale && ' What you see is from before.'}{' '}
        {retry && <button type="button" className="link" onClick={() => { retry() }}>Try again</button>}
      </div>
      {error.place && <pre>{error.place}</pre>}
    </div>
  )
}

interface EmptyProps {
  title: string
  /** How to fill it. */
  children?: ReactNode
  icon?: ReactNode
  actions?: ReactNode
}

/** Nothing here yet, and how to change that. */
export function Empty({ title, children, icon, actions }: EmptyProps) {
  return (
    <div className="empty">
      {icon ?? <IconInbox className="icon" size={20} />}
      <strong>{title}</strong>
      {children !== undefined && <div>{children}</div>}
      {actions !== undefined && <div className="row wrap">{actions}</div>}
    </div>
  )
}

const WIDTHS = [64, 96, 40, 220, 300]

/** Rows as they will be, without their words. */
export function SkeletonRows({ rows = 8, widths = WIDTHS, height }: { rows?: number; widths?: readonly number[]; height?: number }) {
  return (
    <div aria-hidden="true">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className="skel-row" style={height === undefined ? undefined : { height }}>
          {widths.map((width, column) => <span key={column} className="skel" style={{ width: `${width * (0.7 + 0.3 * ((row * 7 + column * 3) % 4) / 3)}px` }} />)}
        </div>
      ))}
    </div>
  )
}

/** Lines of text to come. */
export function SkeletonText({ lines = 3 }: { lines?: number }) {
  return (
    <div className="form" aria-hidden="true" style={{ padding: '16px' }}>
      {Array.from({ length: lines }, (_, line) => <span key={line} className="skel" style={{ width: `${88 - line * 17}%` }} />)}
    </div>
  )
}
