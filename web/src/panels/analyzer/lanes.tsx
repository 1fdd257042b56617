/** Life times of the path's nodes on one axis, with the alerts and the picked node's events on them. */
import { useEffect, useMemo, useRef, useState } from 'react'

import type { Graph as ApiGraph, Found } from '../../api/types'
import { usePrefs } from '../../ui/prefs'
import { SEVERITIES, SeverityMark, severityOf } from '../../ui/severity'
import { formatTime } from '../../ui/time'
import { plain } from '../parts'
import type { GraphNode } from './graph'

interface LanesProps {
  graph: ApiGraph
  nodes: readonly GraphNode[]
  picked: string | undefined
  onPick: (id: string) => void
  /** Events of the picked node. */
  events: readonly Found[]
  /** The moment of a replay, milliseconds since 1970. */
  now?: number | undefined
}

const LEFT = 132
const TOP = 8
const ROW = 16

/** Pick a bar, and its node is picked in the picture. */
export function Lanes({ graph, nodes, picked, onPick, events, now }: LanesProps) {
  const ref = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(800)
  useEffect(() => {
    const box = ref.current
    if (!box) return
    const watch = new ResizeObserver(() => { setWidth(box.clientWidth - 32) })
    watch.observe(box)
    return () => { watch.disconnect() }
  }, [])
  const { zone } = usePrefs()
  const shown = nodes.filter(({ path, start, id }) => (path || id === picked) && start !== undefined).slice(0, 7)
  // The worst is drawn last, so that it lies on top.
  const marks = graph.marks.filter(({ kind }) => kind === 'alert').sort((a, b) => SEVERITIES.indexOf(severityOf(b.severity)) - SEVERITIES.indexOf(severityOf(a.severity)))
  const starts = [...shown.map(({ start = '' }) => Date.parse(start)), ...marks.map(({ time }) => Date.parse(time))].filter(Number.isFinite)
  const from = starts.length > 0 ? Math.min(...starts) : Date.parse(graph.start)
  // A connection that stood for minutes would press the seconds before it to a point: the axis ends soon after the last start.
  const lastStart = Math.max(from + 1000, ...shown.map(({ start = '' }) => Date.parse(start)), ...marks.map(({ time }) => Date.parse(time)))
  const end = Math.max(Date.parse(graph.end), from + 1)
  const to = Math.min(end, lastStart + (lastStart - from) * 0.25)
  const inner = Math.max(100, width - LEFT - 10)
  const x = (time: number) => LEFT + ((Math.min(time, to) - from) / (to - from)) * inner
  const ticks = Array.from({ length: 6 }, (_, index) => from + ((to - from) * index) / 5)
  const rows = [undefined, ...shown]
  const eventsOf = useMemo(() => {
    const times = new Map<string, Set<number>>()
    for (const { kind, node, time } of graph.marks) {
      if (kind !== 'event' || node === null) continue
      const held = times.get(node) ?? new Set()
      if (held.size < 200) held.add(Date.parse(time))
      times.set(node, held)
    }
    return new Map([...times].map(([node, held]) => [node, [...held]]))
  }, [graph.marks])
  return (
    <div className="lanes" ref={ref}>
      <svg width={Math.max(1, width)} height={TOP + rows.length * ROW + 18} role="group" aria-label="When each ran">
        {ticks.map((tick) => <line key={tick} className="grid" x1={x(tick)} x2={x(tick)} y1={TOP} y2={TOP + rows.length * ROW} />)}
        {ticks.map((tick, index) => <text key={tick} className="tm" x={x(tick)} y={TOP + rows.length * ROW + 13} textAnchor={index === 0 ? 'start' : index === 5 ? 'end' : 'middle'}>{formatTime(new Date(tick), zone, 'clock').slice(0, to - from > 30_000 ? 8 : 10)}</text>)}
        <text className="name" x={0} y={TOP + 12}>alerts</text>
        {marks.map((mark, index) => <g key={index} transform={`translate(${x(Date.parse(mark.time)) - 7} ${TOP + 1})`}><title>{plain(mark.title)}</title><SeverityMark severity={severityOf(mark.severity)} size={14} decorative /></g>)}
        {shown.map((node, index) => {
          const y = TOP + (index + 1) * ROW
          const begins = Date.parse(node.start ?? '')
          const ends = node.end === undefined ? to : Date.parse(node.end)
          const on = node.id === picked
          return (
            <g key={node.id} style={{ cursor: 'pointer' }} onClick={() => { onPick(node.id) }}>
              <rect x={0} y={y} width={Math.max(1, width)} height={ROW} fill="transparent" />
              <text className="name" x={0} y={y + 12} fontFamily="var(--font-mono)" style={on ? { fill: 'var(--accent)' } : undefined}>{node.name.length > 17 ? `${node.name.slice(0, 8)}…${node.name.slice(-8)}` : node.name}</text>
              <rect className={on ? 'ev on' : 'ev'} x={x(begins)} y={y + 6} height={4} rx={1} width={Math.max(2, x(ends) - x(begins))} opacity={0.75} />
              {!on && (eventsOf.get(node.id) ?? []).map((time) => <rect key={time} className="ev" x={x(time)} y={y + 3} width={1.5} height={10} />)}
              {on && events.map((event) => <rect key={event.id} className="ev on" x={x(Date.parse(event.time))} y={y + 2} width={1.5} height={12}><title>{event.time}</title></rect>)}
            </g>
          )
        })}
        {now !== undefined && <line className="now" x1={x(now)} x2={x(now)} y1={TOP - 4} y2={TOP + rows.length * ROW} />}
      </svg>
    </div>
  )
}
