/** From an alert to the events around it. */
import type { DiscoverAddress } from '../pages/addresses'
import type { AlertRow } from '../api/types'
import type { Filter } from '../ui/filters'

const FIVE_MINUTES = 5 * 60_000
const first = (value: unknown): unknown => (Array.isArray(value) ? (value as unknown[])[0] : value)

/** Five minutes before and after, on the alert's host; without a host, of its client. Oldest first, as a story reads. */
export function around(alert: Pick<AlertRow, 'time' | 'document'>): DiscoverAddress {
  const at = Date.parse(alert.time)
  const filters: Filter[] = []
  for (const field of ['host.name', 'source.ip']) {
    const value = first(alert.document[field])
    if (typeof value === 'string' && filters.length === 0) filters.push({ field, value })
  }
  return { from: new Date(at - FIVE_MINUTES).toISOString(), to: new Date(at + FIVE_MINUTES).toISOString(), filters, sort: '@timestamp:asc' }
}
