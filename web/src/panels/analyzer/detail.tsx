/** The panel beside the picture: all processes, one node, its events, one event; breadcrumbs lead back. */
import { Link } from '@tanstack/react-router'
import { IconX } from '@tabler/icons-react'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useMemo, useRef, useState } from 'react'

import { useNodeEvents, type Around } from '../../api/analyzer'
import type { Found, Graph as ApiGraph, GraphNode as ApiNode } from '../../api/types'
import { filterKql } from '../../ui/filters'
import { asText, count, plural } from '../../ui/format'
import { Loaded, SkeletonRows, SkeletonText } from '../../ui/loaded'
import { SeverityMark, severityOf } from '../../ui/severity'
import { Code, KeyValue, Time } from '../../ui/text'
import { Segments } from '../../ui/controls'
import { duration } from '../../ui/time'
import { FieldValue } from '../../ui/value'
import { DocumentFields } from '../document'
import { Said } from '../said'
import { CATEGORIES, type GraphNode } from './graph'
import { CATEGORY_ICON, CATEGORY_WORD } from './nodes'

interface PanelProps {
  around: Around
  graph: ApiGraph
  nodes: readonly GraphNode[]
  node: string | undefined
  category: string | undefined
  doc: string | undefined
  go: (change: { node?: string | undefined; category?: string | undefined; doc?: string | undefined }) => void
}

/** What is picked, in words and facts. */
export function Panel({ around, graph, nodes, node, category, doc, go }: PanelProps) {
  const picked = graph.nodes.find(({ id }) => id === node)
  return (
    <aside className="analyzer-panel" aria-label="Details">
      <div className="flyout-head">
        <nav className="row cut t3 grow" aria-label="Where in the details" style={{ gap: 6 }}>
          <button type="button" className="link plain" onClick={() => { go({ node: undefined, category: undefined, doc: undefined }) }}>{plural(graph.total, 'process', 'processes')}</button>
          {picked && <>/ <button type="button" className="link plain cut" onClick={() => { go({ category: undefined, doc: undefined }) }}>{picked.label}</button></>}
          {picked && category !== undefined && <>/ <button type="button" className="link plain" onClick={() => { go({ doc: undefined }) }}>{category === 'any' ? 'events' : category}</button></>}
          {picked && doc !== undefined && <>/ <span>event</span></>}
        </nav>
        {picked && <button type="button" className="btn quiet icon-only" aria-label="Back to all processes" onClick={() => { go({ node: undefined, category: undefined, doc: undefined }) }}><IconX className="icon" size={16} /></button>}
      </div>
      {picked ? <One around={around} picked={picked} category={category} doc={doc} go={go} /> : <All nodes={nodes} total={graph.total} go={go} />}
    </aside>
  )
}

function All({ nodes, total, go }: { nodes: readonly GraphNode[]; total: number; go: PanelProps['go'] }) {
  const known = nodes.filter(({ kind }) => kind === 'process').length
  const sorted = useMemo(() => [...nodes].sort((a, b) => (a.start ?? '').localeCompare(b.start ?? '')), [nodes])
  const scroller = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({ count: sorted.length, getScrollElement: () => scroller.current, estimateSize: () => 26, overscan: 10 })
  return (
    <div className="scroll grow" ref={scroller}>
      <div className="section"><h2>First to last <small>{known < total ? `${count(known)} of ${count(total)} shown` : plural(nodes.length, 'node')}</small></h2></div>
      <ul style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {virtual.getVirtualItems().map((item) => [item, sorted[item.index]] as const).map(([item, node]) => node && (
          <li key={node.id} style={{ position: 'absolute', left: 0, right: 0, top: 0, transform: `translateY(${item.start}px)` }}>
            <button type="button" className="node-line" onClick={() => { go({ node: node.id }) }}>
              <span className="t3 tm">{node.start === undefined ? '' : <Time at={node.start} detail="clock" />}</span>
              <span className={node.path ? 'mono cut' : 'mono cut t2'} style={node.path ? { fontWeight: 600 } : undefined}>{node.name}</span>
              <span className="t3 cut">{node.sub}</span>
              {node.alerts.slice(0, 3).map((alert) => <SeverityMark key={alert.id} severity={alert.severity} size={13} />)}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}

const STATE: Record<ApiNode['state'], string> = { running: 'running', ended: 'ended', unknown: '' }

function One({ around, picked, category, doc, go }: { around: Around; picked: ApiNode; category: string | undefined; doc: string | undefined; go: PanelProps['go'] }) {
  const events = useNodeEvents(around, picked.id, category === 'any' ? undefined : category)
  const [form, setForm] = useState<'canonical' | 'sent'>('sent')
  const fact = (field: string) => asText(picked.facts.find((part) => part.field === field)?.value)
  const sent = asText(picked.document['process.command_line']) || fact('process.command_line')
  const canonical = asText(picked.document['tocsin.canonical.command_line'] ?? picked.document.canonical)
  const found = doc === undefined ? undefined : events.data?.documents.find(({ id }) => id === doc)
  if (doc !== undefined) {
    return <Loaded query={{ ...events, data: events.data && (found ?? null) }} skeleton={<SkeletonText />}>{(event) => (event ? <DocumentFields document={event.document} /> : <p className="t3" style={{ padding: 16 }}>This event is not among those of the node.</p>)}</Loaded>
  }
  const total = Object.values(picked.counts).reduce((sum, each) => sum + each, 0)
  const cats = (
    <div className="cats" role="group" aria-label="Events by category">
      {CATEGORIES.map((each) => {
        const has = picked.counts[each] ?? 0
        const CategoryIcon = CATEGORY_ICON[each]
        return <button key={each} type="button" disabled={has === 0} aria-pressed={category === each} onClick={() => { go({ category: category === each ? undefined : each, doc: undefined }) }} aria-label={`${has} ${CATEGORY_WORD[each]} events`}><span className="row" style={{ gap: 3 }}><CategoryIcon size={12} stroke={1.8} aria-hidden />{count(has)}</span><small>{CATEGORY_WORD[each]}</small></button>
      })}
    </div>
  )
  const list = (
    <Loaded query={events} skeleton={<SkeletonRows rows={4} widths={[80, 180]} height={24} />} isEmpty={({ documents }) => documents.length === 0} empty={<p className="t3" style={{ padding: '8px 0' }}>No event of this kind.</p>}>
      {(page) => (
        <ul style={{ marginTop: 8 }}>
          {page.documents.map((event) => <li key={event.id}><EventLine event={event} onOpen={() => { go({ category: category ?? 'any', doc: event.id }) }} /></li>)}
          {page.total > page.documents.length && <li className="t3">{count(page.documents.length)} of {count(page.total)}; the rest is in Discover</li>}
        </ul>
      )}
    </Loaded>
  )
  if (category !== undefined) return <div className="scroll grow"><section className="section">{cats}{list}</section></div>
  const pid = picked.document['process.pid'] ?? picked.document.pid
  const facts = picked.facts.filter(({ field }) => field !== 'process.command_line')
  const named = (name: string) => facts.some(({ text }) => text === name)
  return (
    <>
      <div className="scroll grow">
        <section className="section">
          <div className="row"><b className="mono" style={{ fontSize: 16 }}>{picked.label}</b>{STATE[picked.state] !== '' && <span className="tag">{STATE[picked.state]}</span>}{picked.trigger && <span className="tag warn">trigger</span>}</div>
          {picked.sentence.length > 0 && <p style={{ fontSize: 14, lineHeight: '22px', marginTop: 4 }} className="t2"><Said parts={picked.sentence} /></p>}
          {picked.alerts.map((alert) => <div key={alert.id} className="icon-line" style={{ marginTop: 4 }}><SeverityMark severity={severityOf(alert.severity)} /><Link to="/alerts" search={{ alert: alert.id, status: ['any'], from: 'now-30d', to: 'now' }} className="cut">{alert.rule}</Link></div>)}
        </section>
        {sent !== '' && (
          <section className="section">
            <h2>Command line <span className="grow" />{canonical !== '' && canonical !== sent && <Segments label="Form" value={form} onChange={setForm} choices={[{ value: 'canonical', label: 'Canonical' }, { value: 'sent', label: 'As sent' }]} />}</h2>
            <Code text={form === 'canonical' && canonical !== '' ? canonical : sent} label="Command line" />
          </section>
        )}
        <section className="section">
          <KeyValue
            facts={[
              picked.time !== null && !named('Started') && !named('Opened') && ['Started', <Time key="s" at={picked.time} />],
              picked.end !== null && ['Ended', <span key="e"><Time at={picked.end} />{picked.time !== null && <span className="t3"> after {duration(Date.parse(picked.end) - Date.parse(picked.time))}</span>}</span>],
              picked.host !== null && !named('Host') && ['Host', <FieldValue key="h" field="host.name" value={picked.host} />],
              ...facts.map((part) => [part.text, part.field === '@timestamp' && typeof part.value === 'string' ? <Time key={part.text} at={part.value} /> : part.field === null ? asText(part.value) : <FieldValue key={part.text} field={part.field} value={part.value} whole />] as const),
            ]}
          />
          {picked.more > 0 && <p className="t3">{plural(picked.more, 'further child', 'further children')} are not drawn.</p>}
        </section>
        <section className="section">
          <h2>Events <small>{count(total)} of this {picked.kind}</small></h2>
          {cats}
          {list}
        </section>
      </div>
      <div className="flyout-foot">
        <Link
          className="btn primary" to="/discover"
          search={{
            q: [picked.host !== null && filterKql({ field: 'host.name', value: picked.host }), typeof pid === 'number' || typeof pid === 'string' ? filterKql({ field: 'process.pid', value: pid }) : picked.kind === 'connection' || picked.kind === 'host' ? connectionKql(picked) : filterKql({ field: 'process.name', value: picked.label })].filter(Boolean).join(' and '),
            from: picked.time === null ? undefined : new Date(Date.parse(picked.time) - 60_000).toISOString(), to: picked.end === null ? 'now' : new Date(Date.parse(picked.end) + 60_000).toISOString(), sort: '@timestamp:asc',
          }}
        >Its events in Discover</Link>
      </div>
    </>
  )
}

function connectionKql(node: ApiNode): string {
  for (const field of ['network.community_id', 'destination.ip']) {
    const value = node.document[field]
    if (typeof value === 'string') return filterKql({ field, value })
  }
  return ''
}

function EventLine({ event, onOpen }: { event: Found; onOpen: () => void }) {
  const { document } = event
  const what = asText(document['event.action'] ?? document['event.dataset'])
  const about = asText(document['file.path'] ?? document['registry.path'] ?? document['dns.question.name'] ?? document['dll.path'] ?? document['destination.ip'] ?? document['url.original'] ?? document['process.command_line'] ?? document.message)
  return (
    <button type="button" className="node-line" onClick={onOpen}>
      <span className="t3 tm"><Time at={event.time} detail="clock" /></span>
      <span className="cut">{what} <span className="mono t2">{about}</span></span>
    </button>
  )
}
