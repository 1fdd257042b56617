/** The Analyzer: how it came to this, as a picture to walk through. */
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { IconBinaryTree2 } from '@tabler/icons-react'
import { useCallback, useEffect, useMemo, useState } from 'react'

import { useAlerts } from '../api/alerts'
import { useGraph, useNodeEvents } from '../api/analyzer'
import { Canvas } from '../panels/analyzer/canvas'
import { Panel } from '../panels/analyzer/detail'
import type { GraphNode } from '../panels/analyzer/graph'
import { Lanes } from '../panels/analyzer/lanes'
import { warmUp } from '../panels/analyzer/layout'
import { toPicture } from '../panels/analyzer/picture'
import { Replay, stepsOf } from '../panels/analyzer/replay'
import { Page } from '../panels/page'
import { addToTimeline } from '../panels/timelinebar'
import { Find, Segments } from '../ui/controls'
import { plural } from '../ui/format'
import { Empty, Loaded, SkeletonRows } from '../ui/loaded'
import { SeverityMark } from '../ui/severity'
import { Time } from '../ui/text'
import { ValueActionsProvider } from '../ui/value'
import type { AnalyzerAddress } from './addresses'

/** The page. */
export function Analyzer() {
  useEffect(warmUp, [])
  const address = useSearch({ from: '/analyzer' })
  const around = { alert: address.alert, event: address.event }
  const graph = useGraph(around)
  if (address.alert === undefined && address.event === undefined) return <Choose />
  return (
    <Page title="Analyzer" crumbs={address.alert === undefined ? [{ name: 'Discover', to: '/discover' }] : [{ name: 'Alerts', to: '/alerts' }]} note={graph.data?.title}>
      <Loaded query={graph} skeleton={<div style={{ padding: 40 }}><SkeletonRows rows={3} widths={[48, 48, 48, 48]} height={90} /></div>} isEmpty={({ nodes }) => nodes.length === 0} empty={<Empty title="No source recorded processes around it.">The Analyzer needs events with a process and its parent, or a connection: Sysmon, Security 4688, Linux audit, Zeek.</Empty>}>
        {(data) => <Drawn key={`${address.alert ?? ''}${address.event ?? ''}`} address={address} data={data} />}
      </Loaded>
    </Page>
  )
}

function Drawn({ address, data }: { address: AnalyzerAddress; data: NonNullable<ReturnType<typeof useGraph>['data']> }) {
  const navigate = useNavigate({ from: '/analyzer' })
  const go = useCallback((change: Partial<AnalyzerAddress>) => { void navigate({ search: (was) => ({ ...was, ...change }) }) }, [navigate])
  const [find, setFind] = useState('')
  const picture = useMemo(() => toPicture(data), [data])
  const around = { alert: address.alert, event: address.event }
  const events = useNodeEvents(around, address.node, undefined).data?.documents ?? []
  const wanted = find.trim().toLowerCase()
  const found = useMemo(() => (wanted === '' ? undefined : (node: GraphNode) => `${node.name} ${node.sub} ${node.host}`.toLowerCase().includes(wanted)), [wanted])
  const hits = found ? picture.nodes.filter(found) : []
  const steps = useMemo(() => stepsOf(picture), [picture])
  const [step, setStep] = useState<number | undefined>(undefined)
  const now = step === undefined ? undefined : steps[step]
  const storied = picture.nodes.some(({ path }) => path)
  const pick = useCallback((node: string) => { go({ node, category: undefined, doc: undefined }) }, [go])
  const actions = useMemo(() => ({
    filter: (field: string, value: string | number | boolean, not: boolean) => { void navigate({ to: '/discover', search: { filters: [{ field, value, ...(not ? { not } : {}) }], from: new Date(Date.parse(data.start) - 300_000).toISOString(), to: 'now' } }) },
    addToTimeline,
  }), [navigate, data.start])
  return (
    <ValueActionsProvider actions={actions}>
      <div className="work">
        <div className="col grow" style={{ position: 'relative' }}>
          <div className="graph-tools">
            <Find label="Find in this tree" value={find} onChange={setFind} width={184} onEnter={() => { if (hits[0]) pick(hits[0].id) }} />
            {storied && <Segments label="What to draw" value={address.all ? 'all' : 'path'} onChange={(next) => { go({ all: next === 'all' ? true : undefined }) }} choices={[{ value: 'path', label: 'Attack path' }, { value: 'all', label: `All ${plural(data.total, 'process', 'processes')}` }]} />}
            <Replay steps={steps} index={step} onStep={setStep} />
            {found && <span className="tag" style={{ height: 28 }}>{plural(hits.length, 'node')} found</span>}
          </div>
          <Canvas graph={picture} all={address.all ?? !storied} picked={address.node} onPick={pick} found={found} now={now} />
        </div>
        <Lanes graph={data} nodes={picture.nodes} picked={address.node} onPick={pick} events={events} now={now?.at} />
      </div>
      <Panel around={around} graph={data} nodes={picture.nodes} node={address.node} category={address.category} doc={address.doc} go={go} />
    </ValueActionsProvider>
  )
}

/** Without an alert: the latest ones to begin with. */
function Choose() {
  const alerts = useAlerts({ statuses: [], start: 'now-30d', end: 'now', size: 20 })
  return (
    <Page title="Analyzer">
      <div className="work scroll">
        <div className="empty" style={{ paddingBottom: 8 }}>
          <IconBinaryTree2 className="icon" size={20} />
          <strong>Pick what to analyze.</strong>
          <div>An alert, or any event in Discover that names a process. Then the page draws what started it, what it started and what it spoke to.</div>
        </div>
        <Loaded query={{ ...alerts, data: alerts.data?.pages.flatMap((page) => page.alerts) }} empty={<Empty title="No alert in 30 days." actions={<Link to="/discover" search={{ q: 'process.name: *' }} className="btn primary">Events with a process</Link>} />}>
          {(rows) => (
            <ul style={{ maxWidth: 860 }}>
              {rows.map((alert) => <li key={alert.id}><Link to="/analyzer" search={{ alert: alert.id }} className="node-line plain"><SeverityMark severity={alert.severity} /><span className="t3"><Time at={alert.time} /></span><span className="cut" style={{ flex: '0 1 auto' }}>{alert.rule}</span><span className="t3 cut only-wide">{alert.reason}</span></Link></li>)}
            </ul>
          )}
        </Loaded>
      </div>
    </Page>
  )
}
