/** How common the telling values of an alert are: on how many hosts, in how many events. */
import { Link } from '@tanstack/react-router'
import { useEffect, useState } from 'react'

import { useTop } from '../api/search'
import type { Part } from '../api/types'
import { filterKql } from '../ui/filters'
import { count } from '../ui/format'
import { FieldValue } from '../ui/value'

const MOST_HOSTS = 1000
const ROWS = 6
const SPAN = { start: 'now-30d', end: 'now' } as const

interface HowCommonProps {
  facts: readonly Part[]
}

/** Counted a moment after it is opened, so that stepping through alerts asks for nothing. */
export function HowCommon({ facts }: HowCommonProps) {
  const [wanted, setWanted] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => { setWanted(true) }, 500)
    return () => { clearTimeout(timer) }
  }, [])
  const all = useTop({ of: 'events', field: 'host.name', limit: MOST_HOSTS, ...SPAN }, wanted)
  const hosts = all.data?.values.length
  const rows = facts.flatMap(({ field, value, text }) => {
    const held: unknown = value ?? text
    return field !== null && (typeof held === 'string' || typeof held === 'number') && String(held).length < 200 ? [{ field, value: held }] : []
  }).slice(0, ROWS)
  if (rows.length === 0) return null
  return (
    <section className="section">
      <h2>How common is this <small>30 days{hosts !== undefined && `, ${many(hosts)} ${hosts === 1 ? 'host' : 'hosts'}`}</small></h2>
      <table className="common">
        <thead><tr><th>Field</th><th>Value</th><th className="num">Hosts</th><th className="num">Events</th></tr></thead>
        <tbody>{rows.map(({ field, value }) => <Line key={`${field} ${value}`} field={field} value={value} of={hosts} wanted={wanted} />)}</tbody>
      </table>
    </section>
  )
}

function Line({ field, value, of, wanted }: { field: string; value: string | number; of: number | undefined; wanted: boolean }) {
  const q = filterKql({ field, value })
  const top = useTop({ of: 'events', query: q, field: 'host.name', limit: MOST_HOSTS, ...SPAN }, wanted)
  const seen = top.data
  const on = seen?.values.length
  const rare = on !== undefined && of !== undefined && isRare(on, of)
  return (
    <tr>
      <td className="t3">{field}</td>
      <td><FieldValue field={field} value={value} /></td>
      <td className="num tm nowrap">{on === undefined ? <span className="t3">–</span> : <span title={rare ? 'On fewer than one host in ten' : undefined}>{rare && <span className="tag warn">rare</span>} {many(on)}{of !== undefined && <span className="t3"> of {many(of)}</span>}</span>}</td>
      <td className="num tm">{seen === undefined ? <span className="t3">–</span> : <Link to="/discover" search={{ q, from: SPAN.start, to: SPAN.end }}>{count(seen.total + seen.missing)}</Link>}</td>
    </tr>
  )
}

const many = (hosts: number) => (hosts >= MOST_HOSTS ? `${count(MOST_HOSTS)}+` : count(hosts))

/** Below one host in ten; of fewer than ten hosts nothing is said. */
export function isRare(on: number, of: number): boolean {
  return of >= 10 && on / of < 0.1
}
