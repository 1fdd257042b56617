/** The API's histograms as bars. */
import type { HistogramPage } from '../api/types'
import type { Bin } from '../ui/chart'
import { severityOf } from '../ui/severity'

/** Counts of all series together. */
export function toBins(page: HistogramPage): Bin[] {
  const start = Date.parse(page.start)
  const series = Object.values(page.counts)
  const length = series.reduce((most, counts) => Math.max(most, counts.length), 0)
  return Array.from({ length }, (_, index) => ({ at: start + index * page.width_ms, count: series.reduce((sum, counts) => sum + (counts[index] ?? 0), 0) }))
}

/** The series are severities. */
export function toSeverityBins(page: HistogramPage): Bin[] {
  return toBins(page).map((bin, index) => {
    const parts: Record<string, number> = {}
    for (const [name, counts] of Object.entries(page.counts)) {
      const severity = severityOf(name)
      parts[severity] = (parts[severity] ?? 0) + (counts[index] ?? 0)
    }
    return { ...bin, parts }
  })
}

/** The series are values of a field: the commonest first, what is none of them last under an empty name. */
export function toSeries(page: HistogramPage): { bins: Bin[]; series: { name: string; count: number }[] } {
  const series = Object.entries(page.counts)
    .map(([name, counts]) => ({ name, count: counts.reduce((sum, each) => sum + each, 0) }))
    .filter(({ name, count }) => count > 0 || name !== '')
    .sort((a, b) => Number(a.name === '') - Number(b.name === '') || b.count - a.count || a.name.localeCompare(b.name))
  const bins = toBins(page).map((bin, index): Bin => ({ ...bin, parts: Object.fromEntries(series.map(({ name }) => [name, page.counts[name]?.[index] ?? 0])) }))
  return { bins, series }
}
