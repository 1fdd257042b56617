/** A histogram broken down by a field: its commonest values as shades, named and counted below the bars. */
import { useState } from 'react'

import type { HistogramPage } from '../api/types'
import { Histogram, shade } from '../ui/chart'
import { count } from '../ui/format'
import { toSeries } from './bins'

interface BreakdownProps {
  page: HistogramPage
  field: string
  onBrush: (from: Date, to: Date) => void
  /** A value was clicked: look at it alone. */
  onPick: (value: string) => void
}

/** Hover or focus a name, and its share of every bar is lit. */
export function Breakdown({ page, field, onBrush, onPick }: BreakdownProps) {
  const [lit, setLit] = useState<string | undefined>(undefined)
  const { bins, series } = toSeries(page)
  return (
    <>
      <Histogram label={`Events over time by ${field}`} bins={bins} interval={page.width_ms} onBrush={onBrush} series={series.map(({ name }) => name)} lit={lit} />
      <ul className="shades" aria-label={`Values of ${field}`} onPointerLeave={() => { setLit(undefined) }}>
        {series.map(({ name, count: has }, index) => (
          <li key={name}>
            {name === ''
              ? <span className="t3"><i style={{ background: shade(index, series.length, true) }} /> none of these <b className="tm">{count(has)}</b></span>
              : <button type="button" title={`Filter for ${field}: ${name}`} onPointerEnter={() => { setLit(name) }} onFocus={() => { setLit(name) }} onBlur={() => { setLit(undefined) }} onClick={() => { onPick(name) }}><i style={{ background: lit === name ? 'var(--accent)' : shade(index, series.length, false) }} /> <span className="mono cut">{name}</span> <b className="tm">{count(has)}</b></button>}
          </li>
        ))}
      </ul>
    </>
  )
}
