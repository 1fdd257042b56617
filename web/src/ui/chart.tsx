/** ECharts, drawn from our tokens; canvas only, no text of a log ever becomes markup. */
import { BarChart, LineChart } from 'echarts/charts'
import { BrushComponent, GridComponent, MarkLineComponent } from 'echarts/components'
import * as echarts from 'echarts/core'
import { CanvasRenderer } from 'echarts/renderers'
import { useEffect, useMemo, useRef, useState } from 'react'

import { count } from './format'
import { usePrefs } from './prefs'
import { SEVERITIES, severityWord } from './severity'
import { duration, formatTime } from './time'

echarts.use([BarChart, LineChart, GridComponent, BrushComponent, MarkLineComponent, CanvasRenderer])

/** One bar of time; `parts` splits it: by severity, or by the names of `series`. */
export interface Bin {
  /** Start, milliseconds since 1970. */
  at: number
  count: number
  parts?: Readonly<Partial<Record<string, number>>>
}

interface HistogramProps {
  label: string
  bins: readonly Bin[]
  /** Width of a bin in milliseconds. */
  interval: number
  height?: number
  /** A span was brushed, or one bar clicked. */
  onBrush?: (from: Date, to: Date) => void
  unit?: string
  /** Names of the parts, the commonest first, where they are no severities; an empty one is the rest. */
  series?: readonly string[]
  /** The part to light up. */
  lit?: string | undefined
}

const token = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** The shade of a part: one hue from strong to faint, so that no colour means a value; the rest is the faintest. */
export function shade(index: number, of: number, rest: boolean): string {
  if (rest) return 'var(--data-2)'
  const step = of <= 1 ? 0.5 : index / (of - 1)
  return step < 0.5 ? `color-mix(in srgb, var(--text-1) ${Math.round(70 - step * 140)}%, var(--data))` : `color-mix(in srgb, var(--data) ${Math.round(100 - (step - 0.5) * 90)}%, var(--bg-1))`
}

/** A colour of CSS as the canvas takes it. */
function resolved(box: HTMLElement | null, colour: string): string {
  if (!box) return colour
  const probe = document.createElement('i')
  probe.style.color = colour
  box.append(probe)
  const said = getComputedStyle(probe).color
  probe.remove()
  const mixed = /^color\(srgb ([\d.]+) ([\d.]+) ([\d.]+)/.exec(said)
  return mixed ? `rgb(${mixed.slice(1).map((part) => Math.round(Number(part) * 255)).join(',')})` : said
}

const STACK: readonly string[] = ['closed', ...[...SEVERITIES].reverse()]

/** Counts over time, bars from zero, brush to zoom. Read by screen readers as one sentence. */
export function Histogram({ label, bins, interval, height = 96, onBrush, unit = 'event', series, lit }: HistogramProps) {
  const { theme, zone } = usePrefs()
  const box = useRef<HTMLDivElement>(null)
  const chart = useRef<echarts.ECharts | undefined>(undefined)
  const brushed = useRef(onBrush)
  const [tip, setTip] = useState<{ x: number; bin: Bin } | undefined>(undefined)
  const [drag, setDrag] = useState<{ from: number; to: number } | undefined>(undefined)
  useEffect(() => { brushed.current = onBrush })

  const split = bins.some(({ parts }) => parts !== undefined)
  const most = useMemo(() => bins.reduce((high, bin) => Math.max(high, bin.count), 0), [bins])
  const total = useMemo(() => bins.reduce((sum, bin) => sum + bin.count, 0), [bins])

  useEffect(() => {
    if (!box.current || navigator.userAgent.includes('jsdom')) return
    const made = echarts.init(box.current, undefined, { renderer: 'canvas' })
    chart.current = made
    const watch = new ResizeObserver(() => { made.resize() })
    watch.observe(box.current)
    return () => {
      watch.disconnect()
      made.dispose()
      chart.current = undefined
    }
  }, [])

  useEffect(() => {
    const colour = (part: string) => {
      if (series === undefined) return part === 'closed' ? token('--data-2') : token(`--sev-${part}`)
      return part === lit ? token('--accent') : resolved(box.current, shade(series.indexOf(part), series.length, part === ''))
    }
    const days = bins.length * interval > 2 * 86400e3
    chart.current?.setOption(
      {
        animation: false,
        grid: { left: 40, right: 2, top: 8, bottom: 20 },
        xAxis: {
          type: 'category', data: bins.map(({ at }) => at), axisTick: { show: false }, axisLine: { lineStyle: { color: token('--line-2') } },
          axisLabel: {
            color: token('--text-3'), fontSize: 11, fontFamily: 'Inter Variable', interval: Math.max(0, Math.ceil(bins.length / Math.max(2, ((box.current?.clientWidth ?? 800) - 42) / 78)) - 1), margin: 7,
            formatter: (value: string) => formatTime(new Date(Number(value)), zone, days ? 'day' : 'clock').replace(/:\d\d\.\d+$/, ''),
          },
        },
        yAxis: {
          type: 'value', min: 0, max: most === 0 ? 1 : undefined, splitNumber: 2, minInterval: 1, axisLine: { show: false }, axisTick: { show: false },
          splitLine: { lineStyle: { color: token('--line') } },
          axisLabel: { color: token('--text-3'), fontSize: 11, fontFamily: 'Inter Variable', formatter: (value: number) => (value >= 1000 ? `${value / 1000} k` : String(value)) },
        },
        series: (!split ? ['all'] : series === undefined ? STACK : [...series].reverse()).map((part) => ({
          type: 'bar', stack: 'all', barCategoryGap: '14%', name: part, id: `part ${part}`, emphasis: { disabled: true },
          itemStyle: { color: split ? colour(part) : token('--data') },
          data: bins.map((bin) => (split ? bin.parts?.[part] ?? 0 : bin.count)),
        })),
      },
      { replaceMerge: ['series'] },
    )
  }, [bins, interval, most, split, series, lit, theme, zone])

  const indexAt = (clientX: number): number => {
    const made = chart.current
    const area = box.current?.getBoundingClientRect()
    if (!made || !area) return -1
    const at = made.convertFromPixel({ xAxisIndex: 0 }, clientX - area.left) as unknown
    return typeof at === 'number' ? Math.min(bins.length - 1, Math.max(0, Math.round(at))) : -1
  }
  const xOf = (index: number): number => {
    const x = chart.current?.convertToPixel({ xAxisIndex: 0 }, index) as unknown
    return typeof x === 'number' ? x : 0
  }
  const half = bins.length > 1 ? (xOf(1) - xOf(0)) / 2 : 20
  const picked = drag && { from: Math.min(drag.from, drag.to), to: Math.max(drag.from, drag.to) }
  const pickedCount = picked ? bins.slice(picked.from, picked.to + 1).reduce((sum, bin) => sum + bin.count, 0) : 0
  const finish = () => {
    const from = picked && bins[picked.from]
    const to = picked && bins[picked.to]
    setDrag(undefined)
    if (from && to) brushed.current?.(new Date(from.at), new Date(to.at + interval))
  }

  return (
    <figure className="chart" aria-label={`${label}: ${count(total)} in ${bins.length} bars of ${duration(interval)}, at most ${count(most)}`} role="img">
      <div
        ref={box} style={{ height, cursor: onBrush ? 'crosshair' : undefined, touchAction: 'pan-y' }}
        onPointerDown={(event) => {
          const at = indexAt(event.clientX)
          if (!onBrush || at < 0 || event.button !== 0) return
          event.currentTarget.setPointerCapture(event.pointerId)
          setDrag({ from: at, to: at })
        }}
        onPointerMove={(event) => {
          const at = indexAt(event.clientX)
          const bin = bins[at]
          setTip(bin && { x: xOf(at), bin })
          if (drag) setDrag({ from: drag.from, to: at })
        }}
        onPointerUp={finish}
        onPointerCancel={() => { setDrag(undefined) }}
        onPointerLeave={() => { setTip(undefined) }}
      />
      {picked && <div className="brush-band" style={{ left: xOf(picked.from) - half, width: xOf(picked.to) - xOf(picked.from) + half * 2, height: height - 20 }} />}
      {tip && (
        <div className="chart-tip" style={{ top: 2, left: Math.min(tip.x + 10, (box.current?.clientWidth ?? 400) - 190) }}>
          {picked && picked.to > picked.from
            ? <b>{duration((picked.to - picked.from + 1) * interval)}, {count(pickedCount)} {unit}{pickedCount === 1 ? '' : 's'}</b>
            : <><b>{count(tip.bin.count)} {unit}{tip.bin.count === 1 ? '' : 's'}</b> <span className="t3">{formatTime(new Date(tip.bin.at), zone, 'minute')}</span>{split && series !== undefined && series.filter((part) => (tip.bin.parts?.[part] ?? 0) > 0).slice(0, 6).map((part) => <div key={part} className="cut">{part === '' ? 'none of these' : part} {count(tip.bin.parts?.[part] ?? 0)}</div>)}{split && series === undefined && SEVERITIES.filter((part) => (tip.bin.parts?.[part] ?? 0) > 0).map((part) => <div key={part}>{severityWord(part)} {tip.bin.parts?.[part]}</div>)}</>}
        </div>
      )}
    </figure>
  )
}

/** A line without axes: how something went lately. */
export function Sparkline({ values, width = 92, height = 20, bad = false, label }: { values: readonly number[]; width?: number; height?: number; bad?: boolean; label: string }) {
  const top = Math.max(1, ...values)
  const points = values.map((value, index) => `${((index / Math.max(1, values.length - 1)) * (width - 2) + 1).toFixed(1)},${(height - 2 - (value / top) * (height - 4)).toFixed(1)}`).join(' ')
  return (
    <svg width={width} height={height} role="img" aria-label={label}>
      <polyline points={points} fill="none" stroke={bad ? 'var(--bad)' : 'var(--data)'} strokeWidth={1.4} strokeLinejoin="round" />
    </svg>
  )
}
