/** Home: what runs, what changed, and what to look at first; on the first day, how to send something. */
import './alerts.css'
import './home.css'

import { Link, useNavigate } from '@tanstack/react-router'
import { IconAlertTriangle, IconCheck, IconCopy } from '@tabler/icons-react'
import { useMemo, useState } from 'react'

import { useAlerts, useAlertTrend } from '../api/alerts'
import { useIncidents } from '../api/incidents'
import { useSources, useStatus } from '../api/status'
import type { AlertRow, IncidentRow, Listener, StatusPage } from '../api/types'
import { toSeverityBins } from '../panels/bins'
import { Page } from '../panels/page'
import { Histogram } from '../ui/chart'
import { Segments, Tabs } from '../ui/controls'
import { asText, bytes, count, plural, rate } from '../ui/format'
import { Empty, Loaded, SkeletonRows, SkeletonText } from '../ui/loaded'
import { SeverityMark, severityWord } from '../ui/severity'
import { DataTable, type Column } from '../ui/table'
import { Avatar, Code, RelativeTime, Time } from '../ui/text'
import { copyText } from '../ui/value'

/** The page. */
export function Home() {
  const status = useStatus()
  return (
    <Page title="Home" note={status.data && <Time at={new Date().toISOString()} detail="minute" />}>
      <div className="work home-page">
        <Loaded query={status} skeleton={<SkeletonText lines={4} />}>
          {(data) => (data.events === 0 ? <Welcome status={data} /> : <Working status={data} />)}
        </Loaded>
      </div>
    </Page>
  )
}

function Working({ status }: { status: StatusPage }) {
  const sources = useSources().data?.sources
  const silent = sources?.filter((source) => source.status !== 'ok') ?? []
  const open = Object.values(status.open_alerts).reduce((sum, each) => sum + each, 0)
  return (
    <>
      <div className="run">
        <div><div className="n"><Link to="/sources">{rate(status.events_per_second)}</Link> <span>events/s</span></div><p><Link to="/discover" search={{ from: 'now-90d', to: 'now' }} className="plain">{count(status.events)} kept</Link></p></div>
        <div><div className="n"><Link to="/sources">{sources ? `${sources.length - silent.length} of ${sources.length}` : '–'}</Link> <span>sources send</span></div><p className={silent.length > 0 ? 'bad' : undefined}>{silent.length > 0 ? `${silent[0]?.dataset ?? ''} ${silent[0]?.status ?? ''}` : 'none is silent'}</p></div>
        <div><div className="n"><Link to="/rules">{count(status.rules_enabled)}</Link> <span>rules run</span></div><p>of {count(status.rules)}</p></div>
        <div><div className="n"><Link to="/alerts">{count(open)}</Link> <span>open alerts</span></div><p>{(['critical', 'high'] as const).map((severity) => `${status.open_alerts[severity] ?? 0} ${severity}`).join(', ')}</p></div>
        <div><div className="n"><Link to="/incidents">{count(status.open_incidents)}</Link> <span>open incidents</span></div><p>up since <Time at={status.started} detail="minute" /></p></div>
        <div><div className="n">{bytes(status.bytes_on_disk)} <span>on disk</span></div><p>{status.journal_lag === 0 ? 'nothing waits to be stored' : `${plural(status.journal_lag, 'record')} wait to be stored`}</p></div>
      </div>
      <Since status={status} silent={silent.map(({ dataset }) => dataset)} />
      <div className="home-cols">
        <Queue />
        <aside aria-label="Lately"><Lately status={status} /></aside>
      </div>
    </>
  )
}

function Since({ status, silent }: { status: StatusPage; silent: readonly string[] }) {
  const incidents = useIncidents({ statuses: ['open'], sort: 'score', size: 2 }).data
  if (incidents === undefined) return <div className="since" role="status" aria-label="Waiting for data"><p className="said"><span className="skel" style={{ width: 'min(62ch, 80%)', height: 18, display: 'inline-block' }} /></p></div>
  const lead = incidents.incidents
  return (
    <div className="since">
      <p className="said">
        {lead.length === 0
          ? 'No incident is open.'
          : lead.map((incident, index) => <span key={incident.id}>{index === 0 ? <>{plural(incidents.total, 'incident')} open: </> : ' and '}<Link to="/incidents/$id" params={{ id: incident.id }}>{incident.title}</Link></span>)}
        {lead.length > 0 && (incidents.total > lead.length ? `, and ${incidents.total - lead.length} more.` : '.')}
        {silent.length > 0 && <> {silent.length === 1 ? `${silent[0] ?? ''} does not send as it did.` : `${silent.length} sources do not send as they did.`}</>}
      </p>
      {status.problems.map((problem) => <p key={problem} className="icon-line" style={{ marginTop: 6 }}><IconAlertTriangle className="icon warn" size={14} style={{ color: 'var(--warn)' }} /> {problem}</p>)}
    </div>
  )
}

type Item = { kind: 'incident'; incident: IncidentRow } | { kind: 'alert'; alert: AlertRow }
const facts = (item: Item) => (item.kind === 'incident'
  ? { id: item.incident.id, severity: item.incident.severity, score: item.incident.score, title: item.incident.title, why: `Incident, ${plural(item.incident.alerts, 'alert')}: ${item.incident.summary}`, host: item.incident.hosts[0] ?? item.incident.addresses[0] ?? '', user: item.incident.users[0] ?? '', time: item.incident.last, owner: item.incident.triage.assignee }
  : { id: item.alert.id, severity: item.alert.severity, score: item.alert.risk_score, title: item.alert.rule, why: item.alert.reason, host: asText(item.alert.document['host.name']), user: asText(item.alert.document['user.name']), time: item.alert.time, owner: item.alert.triage.assignee })

const columns: readonly Column<Item>[] = [
  { id: 'priority', header: 'Priority', width: 88, cell: (item) => <span className="row"><SeverityMark severity={facts(item).severity} /><b className="tm" style={{ fontSize: 15 }}>{Math.round(facts(item).score)}</b></span> },
  { id: 'what', header: 'What', width: 300, grow: true, cell: (item) => <div className="cut"><b style={{ fontWeight: 520, fontSize: 13.5 }}>{facts(item).title}</b><div className="t3 cut" style={{ fontSize: 12 }}>{facts(item).why}</div></div> },
  { id: 'where', header: 'Who and where', width: 150, cell: (item) => <div className="cut"><span className="mono">{facts(item).host}</span><div className="t3 mono cut">{facts(item).user}</div></div> },
  { id: 'age', header: 'Age', width: 96, numeric: true, cell: (item) => <span className="t2"><RelativeTime at={facts(item).time} /></span> },
  { id: 'owner', header: 'Owner', width: 110, cell: (item) => <span className="row t2"><Avatar name={facts(item).owner} /> {facts(item).owner ?? 'Nobody'}</span> },
  { id: 'next', header: 'Next', width: 110, cell: (item) => (item.kind === 'incident' ? <Link className="btn sm" to="/incidents/$id" params={{ id: item.incident.id }}>Read it</Link> : <Link className="btn sm" to="/analyzer" search={{ alert: item.alert.id }}>Analyze</Link>) },
]

function Queue() {
  const navigate = useNavigate()
  const [whose, setWhose] = useState<'all' | 'nobody'>('all')
  const incidents = useIncidents({ statuses: ['open'], sort: 'score', size: 50 })
  const alerts = useAlerts({ statuses: ['open'], start: 'now-30d', end: 'now', sort: 'kibana.alert.risk_score', size: 50 })
  const items = useMemo((): Item[] | undefined => {
    if (!incidents.data || !alerts.data) return undefined
    const listed: Item[] = [
      ...incidents.data.incidents.map((incident): Item => ({ kind: 'incident', incident })),
      ...alerts.data.pages.flatMap((page) => page.alerts).filter(({ incident }) => incident === null).map((alert): Item => ({ kind: 'alert', alert })),
    ]
    return listed.filter((item) => whose === 'all' || facts(item).owner === null).sort((a, b) => facts(b).score - facts(a).score)
  }, [incidents.data, alerts.data, whose])
  return (
    <section className="queue" aria-label="Queue">
      <div className="queue-head">
        <h2 style={{ fontSize: 14 }}>Queue <small>what to look at first, and why</small></h2>
        <span className="grow" />
        <Segments label="Whose" value={whose} onChange={setWhose} choices={[{ value: 'all', label: 'Everybody’s' }, { value: 'nobody', label: 'Nobody’s' }]} />
      </div>
      <Loaded
        query={{ data: items, error: incidents.error ?? alerts.error, isPending: items === undefined, refetch: () => Promise.all([incidents.refetch(), alerts.refetch()]) }}
        skeleton={<SkeletonRows rows={6} height={48} widths={[50, 320, 100, 60, 80]} />}
        empty={<Empty title="Nothing waits." actions={<Link className="btn primary" to="/alerts" search={{ status: ['any'] }}>What was raised before</Link>}>Open incidents and open alerts outside of them stand here, the riskiest first.</Empty>}
      >
        {(rows) => (
          <DataTable<Item>
            label="Queue" name="queue" columns={columns} rows={rows} rowKey={(item) => facts(item).id} rowHeight={48}
            onOpen={(item) => { void (item.kind === 'incident' ? navigate({ to: '/incidents/$id', params: { id: item.incident.id } }) : navigate({ to: '/alerts', search: { alert: item.alert.id } })) }}
            narrow={(item) => <><SeverityMark severity={facts(item).severity} /><b className="cut" style={{ fontWeight: 520 }}>{facts(item).title}</b><span className="t3"><RelativeTime at={facts(item).time} /></span><span /><span className="t3 cut" style={{ gridColumn: '2 / 4', fontSize: 12 }}>{facts(item).why}</span></>}
          />
        )}
      </Loaded>
    </section>
  )
}

function Lately({ status }: { status: StatusPage }) {
  const trend = useAlertTrend({ statuses: [], start: 'now-14d', end: 'now' })
  const navigate = useNavigate()
  return (
    <>
      <section className="section">
        <h2>Alerts <small>raised, 14 days, every status</small></h2>
        <Loaded query={trend} skeleton={<span className="skel" style={{ height: 110 }} />}>
          {(page) => <Histogram label="Alerts raised in 14 days" bins={toSeverityBins(page)} interval={page.width_ms} height={118} unit="alert" onBrush={(from, to) => { void navigate({ to: '/alerts', search: { status: ['any'], from: from.toISOString(), to: to.toISOString() } }) }} />}
        </Loaded>
      </section>
      <section className="section">
        <h2>Open by severity</h2>
        <div className="sev-list">
          {(['critical', 'high', 'medium', 'low'] as const).map((severity) => {
            const has = status.open_alerts[severity] ?? 0
            const most = Math.max(1, ...Object.values(status.open_alerts))
            return <Link key={severity} to="/alerts" search={{ severity: [severity], from: 'now-30d', to: 'now' }}><SeverityMark severity={severity} decorative /><span>{severityWord(severity)}</span><i className={`bg-${severity}`} style={{ width: `${(has / most) * 100}%` }} /><b>{count(has)}</b></Link>
          })}
        </div>
      </section>
      <section className="section">
        <h2>Listens at</h2>
        {status.listeners.map((listener) => <div key={listener.name} className="row" style={{ minHeight: 25 }}><span className="t2" style={{ width: 130 }}>{listener.name}</span><span className="mono cut grow">{listener.address}</span></div>)}
      </section>
    </>
  )
}

function Welcome({ status }: { status: StatusPage }) {
  return (
    <div className="welcome">
      <div>
        <p className="said">Tocsin runs and waits for its first event.</p>
        <p className="t2" style={{ marginTop: 4 }}>{plural(status.rules_enabled, 'rule')} are on. Point a shipper at one of these addresses; this page fills by itself.</p>
      </div>
      <SendFirst listeners={status.listeners} />
      <section>
        <h2>Or replay an attack <small>made-up events, real detection</small></h2>
        <p className="t2" style={{ margin: '4px 0 8px' }}>A dropper that opens a reverse shell, and a portal under attack, amid ordinary noise.</p>
        <Example text="tocsin demo" />
      </section>
      <p className="icon-line t3" role="status"><span className="state off">No event yet</span> the tick stands here when one comes</p>
    </div>
  )
}

function SendFirst({ listeners }: { listeners: readonly Listener[] }) {
  const [name, setName] = useState(listeners[0]?.name ?? '')
  const listener = listeners.find((each) => each.name === name) ?? listeners[0]
  if (!listener) return <Empty title="No listener is open.">tocsin doctor says why, and how to mend it.</Empty>
  return (
    <section>
      <h2 style={{ marginBottom: 4 }}>Send your first event</h2>
      <Tabs label="Ways in" value={listener.name} onChange={setName} choices={listeners.map((each) => ({ value: each.name, label: each.name }))} />
      <p className="t2" style={{ margin: '10px 0 8px' }}>Address: <b className="mono">{listener.address}</b></p>
      <Example text={listener.example} />
    </section>
  )
}

function Example({ text }: { text: string }) {
  const [copied, setCopied] = useState(false)
  return (
    <div>
      <Code text={text} label="Command" />
      <button type="button" className="btn" style={{ marginTop: 6 }} onClick={() => { void copyText(text).then(() => { setCopied(true) }) }}>{copied ? <IconCheck className="icon" size={14} /> : <IconCopy className="icon" size={14} />} {copied ? 'Copied' : 'Copy'}</button>
    </div>
  )
}
