/** Security alerts: what was raised, the worst and the latest first, and what to do about it. */
import './alerts.css'

import { Menu } from '@mantine/core'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { IconArrowUp, IconBinaryTree2, IconChevronDown, IconDots, IconSearch, IconStack2 } from '@tabler/icons-react'
import { useEffect, useMemo, useState } from 'react'

import { useAlerts, useAlertTrend } from '../api/alerts'
import { holdRows, showFresh, useFresh } from '../api/live'
import { complete, useTop } from '../api/search'
import type { AlertRow, AlertSearch } from '../api/types'
import { AlertFlyout } from '../panels/alertflyout'
import { around } from '../panels/around'
import { toSeverityBins } from '../panels/bins'
import { Control } from '../panels/control'
import { Page } from '../panels/page'
import { problemOf } from '../panels/problem'
import { addToTimeline } from '../panels/timelinebar'
import { STATUS_WORD, TriageMenus, VerdictMark } from '../panels/triage'
import { Histogram } from '../ui/chart'
import { addFilter, toApi } from '../ui/filters'
import { asText, count, plural } from '../ui/format'
import { Empty, Loaded, SkeletonRows } from '../ui/loaded'
import { FilterPills } from '../ui/pills'
import { recall, remember, usePrefs } from '../ui/prefs'
import { QueryBar } from '../ui/querybar'
import { Severity, SeverityMark, severityWord } from '../ui/severity'
import { DataTable, FieldHead, fit, type Column } from '../ui/table'
import { formatInTable } from '../ui/time'
import { TimeRangePicker } from '../ui/timerange'
import { Time } from '../ui/text'
import { FieldValue, ValueActionsProvider } from '../ui/value'
import type { AlertsAddress } from './addresses'

const FIELDS = ['host.name', 'user.name', 'process.name', 'file.name', 'source.ip', 'destination.ip'] as const
const SORTS: Record<string, string> = { '@timestamp': '@timestamp', risk: 'kibana.alert.risk_score', severity: 'kibana.alert.severity', rule: 'kibana.alert.rule.name' }
const GROUPS = ['host.name', 'user.name', 'kibana.alert.rule.name', 'source.ip'] as const
const LEVELS = ['critical', 'high', 'medium', 'low'] as const

interface Head {
  key: string
  rows: AlertRow[]
  open: boolean
}
type Row = AlertRow | { head: Head }

const isHead = (row: Row): row is { head: Head } => 'head' in row

function toSearch(address: AlertsAddress): AlertSearch {
  const [sort = '', way] = (address.sort ?? '@timestamp:desc').split(':')
  return {
    query: address.q ?? '',
    start: address.from ?? 'now-24h',
    end: address.to ?? 'now',
    statuses: address.status?.includes('any') ? [] : address.status?.filter((status) => status !== 'any') ?? ['open'],
    severities: address.severity ?? [],
    hosts: address.host ?? [],
    users: address.user ?? [],
    rules: address.rule ?? [],
    incident: address.incident ?? null,
    filters: toApi(address.filters ?? []),
    building_blocks: address.blocks ?? false,
    withdrawn: address.withdrawn ?? false,
    sort: SORTS[sort] ?? '@timestamp',
    descending: way !== 'asc',
    size: 200,
  }
}

/** The page; its address keeps all of it. */
export function Alerts() {
  const address = useSearch({ from: '/alerts' })
  const navigate = useNavigate({ from: '/alerts' })
  const go = (change: Partial<AlertsAddress>) => { void navigate({ search: (was) => ({ ...was, ...change }) }) }
  const [text, setText] = useState(address.q ?? '')
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
  const [fields, setFields] = useState<readonly string[]>(() => recall<string[]>('alerts.fields', [...FIELDS]))
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set())
  const search = useMemo(() => toSearch(address), [address])
  const renew = address.renew === undefined || address.renew === 0 ? false : address.renew * 1000
  const alerts = useAlerts(search, renew)
  const trend = useAlertTrend({ ...search, statuses: [] }, renew)
  const fresh = useFresh()
  const [reading, setReading] = useState(false)
  const busy = reading || selected.size > 0 || address.alert !== undefined
  useEffect(() => { holdRows(busy) }, [busy])
  useEffect(() => () => { holdRows(false) }, [])

  const pages = alerts.data?.pages
  const rows = useMemo(() => pages?.flatMap((page) => page.alerts) ?? [], [pages])
  const total = pages?.[0]?.total
  const bySeverity = pages?.[0]?.by_severity ?? {}
  const problem = problemOf(alerts.error)

  const grouped = useMemo((): Row[] => {
    const { group } = address
    if (group === undefined) return rows
    const heads = new Map<string, Head>()
    for (const row of rows) {
      const key = group === 'kibana.alert.rule.name' ? row.rule : asText(row.document[group]) || 'not set'
      const head = heads.get(key) ?? { key, rows: [], open: !folded.has(key) }
      head.rows.push(row)
      heads.set(key, head)
    }
    const risk = (head: Head) => Math.max(...head.rows.map(({ risk_score }) => risk_score))
    return [...heads.values()].sort((a, b) => risk(b) - risk(a) || b.rows.length - a.rows.length).flatMap((head): Row[] => [{ head }, ...(head.open ? head.rows : [])])
  }, [rows, address, folded])

  const actions = useMemo(() => ({
    filter: (field: string, value: string | number | boolean, not: boolean) => { void navigate({ search: (was) => ({ ...was, filters: addFilter(was.filters ?? [], { field, value, ...(not ? { not } : {}) }) }) }) },
    addToTimeline,
    toggleColumn: (field: string) => { setFields((was) => { const next = was.includes(field) ? was.filter((other) => other !== field) : [...was, field]; remember('alerts.fields', next); return next }) },
  }), [navigate])

  const pickFields = (next: readonly string[]) => {
    const kept = next.length > 0 ? next : FIELDS
    setFields(kept)
    remember('alerts.fields', kept)
  }
  const chosen = rows.filter(({ id }) => selected.has(id)).map(({ id, triage }) => ({ id, revision: triage.revision }))
  const at = rows.findIndex(({ id }) => id === address.alert)
  const [sort = '', way] = (address.sort ?? '@timestamp:desc').split(':')

  const { zone } = usePrefs()
  // Out of the first rows alone: what is loaded later moves no column.
  const first = pages?.[0]?.alerts
  const columns = useMemo((): Column<Row>[] => {
    const now = new Date()
    const moments = (first ?? []).map(({ time }) => formatInTable(new Date(time), zone, now))
    const alertCell = (draw: (alert: AlertRow) => React.ReactNode) => (row: Row) => (isHead(row) ? null : draw(row))
    return [
      { id: '@timestamp', header: '@timestamp', width: fit(moments, { head: '@timestamp', least: 106 }), sortBy: true, cell: alertCell((alert) => <span className="t2"><Time at={alert.time} /></span>) },
      { id: 'rule', header: 'Rule', width: fit((first ?? []).map(({ rule }) => rule), { least: 200, most: 332 }), weight: 200, grow: true, sortBy: true, cell: alertCell((alert) => <span className={alert.state === 'withdrawn' ? 't3' : undefined}>{alert.rule}{alert.building_block && <span className="tag" style={{ marginLeft: 6 }}>building block</span>}{alert.state === 'withdrawn' && <span className="tag" style={{ marginLeft: 6 }}>withdrawn</span>}{alert.triage.verdict !== null && <span style={{ marginLeft: 8 }}><VerdictMark verdict={alert.triage.verdict} /></span>}</span>) },
      { id: 'severity', header: 'Severity', width: 96, sortBy: true, cell: alertCell((alert) => <Severity severity={alert.severity} />) },
      { id: 'risk', header: 'Risk', width: 48, numeric: true, sortBy: true, cell: alertCell((alert) => <span className="risk">{Math.round(alert.risk_score)}</span>) },
      { id: 'reason', header: 'Reason', width: 150, weight: 700, grow: true, cell: alertCell((alert) => <span className="t2" title={alert.reason}>{alert.reason}</span>) },
      ...fields.map((field): Column<Row> => ({ id: field, header: <FieldHead field={field} />, width: fit((first ?? []).map((alert) => asText(alert.document[field])), { head: field, least: 64, most: 124 }), cell: alertCell((alert) => <FieldValue field={field} value={alert.document[field]} />) })),
    ]
  }, [first, zone, fields])

  const shownOf = total === undefined ? undefined : `${count(total)} ${address.status === undefined ? 'open' : address.status.includes('any') ? '' : address.status.map((status) => (status === 'any' ? '' : STATUS_WORD[status].toLowerCase())).join(' or ')}`
  return (
    <ValueActionsProvider actions={actions}>
      <Page
        title="Security alerts" note={shownOf}
        tools={<TimeRangePicker span={{ from: address.from ?? 'now-24h', to: address.to ?? 'now' }} onChange={({ from, to }) => { go({ from, to }) }} refresh={address.renew ?? 0} onRefresh={(renew) => { go({ renew: renew || undefined }) }} onNow={() => { void alerts.refetch(); void trend.refetch() }} />}
      >
        <div className="work">
          <div className="bar">
            <QueryBar value={text} language="kql" onChange={setText} onRun={() => { go({ q: text.trim() || undefined }) }} complete={(typed, cursor, signal) => complete(typed, cursor, 'kql', signal)} problem={problem} placeholder="Filter alerts with KQL, for instance host.name: WS-07" label="Query over alerts" withRun={false} />
          </div>
          <div className="bar wrap">
            <Control name="Status" any="Open" choices={[...(['open', 'acknowledged', 'closed'] as const).map((value) => ({ value, label: STATUS_WORD[value] })), { value: 'any', label: 'Any status' }]} picked={address.status ?? []} onPick={(status) => { go({ status: status.length > 0 ? (status.includes('any') && !address.status?.includes('any') ? ['any'] : status.filter((value) => value !== 'any' || status.length === 1)) as AlertsAddress['status'] : undefined }) }} />
            <Control name="Severity" choices={LEVELS.map((value) => ({ value, label: <Severity severity={value} />, count: bySeverity[value] ?? 0 }))} picked={address.severity ?? []} onPick={(severity) => { go({ severity: severity.length > 0 ? severity as AlertsAddress['severity'] : undefined }) }} />
            <ValueControl name="User" field="user.name" address={address} picked={address.user ?? []} onPick={(user) => { go({ user: user.length > 0 ? user : undefined }) }} />
            <ValueControl name="Host" field="host.name" address={address} picked={address.host ?? []} onPick={(host) => { go({ host: host.length > 0 ? host : undefined }) }} />
            {address.rule?.map((rule) => <span key={rule} className="pill closes">rule: <b className="cut" style={{ maxWidth: 220 }}>{rows.find(({ rule_id }) => rule_id === rule)?.rule ?? rule}</b><button type="button" aria-label={`Remove filter rule: ${rule}`} onClick={() => { go({ rule: undefined }) }}>×</button></span>)}
            {address.incident !== undefined && <span className="pill closes">incident: <b>{address.incident}</b><button type="button" aria-label="Remove filter incident" onClick={() => { go({ incident: undefined }) }}>×</button></span>}
            <FilterPills filters={address.filters ?? []} onChange={(filters) => { go({ filters: filters.length > 0 ? filters : undefined }) }} />
          </div>
          <div className="trend">
            <div className="sev-list" role="list" aria-label="Alerts by severity">
              {LEVELS.map((severity) => {
                const most = Math.max(1, ...LEVELS.map((level) => bySeverity[level] ?? 0))
                const has = bySeverity[severity] ?? 0
                return (
                  <div key={severity} role="listitem">
                    <Link to="/alerts" search={{ ...address, severity: [severity] }} aria-label={`${severityWord(severity)}: ${has}`}>
                      <SeverityMark severity={severity} decorative /><span>{severityWord(severity)}</span><i className={`bg-${severity}`} style={{ width: `${(has / most) * 100}%` }} /><b>{count(has)}</b>
                    </Link>
                  </div>
                )
              })}
            </div>
            <Loaded query={trend} skeleton={<span className="skel" style={{ height: 96 }} />}>
              {(page) => <Histogram label="Alerts raised over time, every status" bins={toSeverityBins(page)} interval={page.width_ms} unit="alert" onBrush={(from, to) => { go({ from: from.toISOString(), to: to.toISOString() }) }} />}
            </Loaded>
          </div>
          <div className="tools">
            {selected.size > 0 ? (
              <>
                <b>{plural(selected.size, 'alert')} selected</b>
                <TriageMenus things={chosen} of="alerts" bulk />
                <button type="button" className="btn quiet" onClick={() => { setSelected(new Set()) }}>Clear</button>
              </>
            ) : (
              <Menu position="bottom-start" transitionProps={{ duration: 0 }}>
                <Menu.Target><button type="button" className="btn"><IconStack2 className="icon" size={14} /> Group by <b>{address.group ?? 'nothing'}</b> <IconChevronDown className="icon" size={14} /></button></Menu.Target>
                <Menu.Dropdown>
                  <Menu.Item onClick={() => { go({ group: undefined }) }}>nothing</Menu.Item>
                  {GROUPS.map((group) => <Menu.Item key={group} onClick={() => { go({ group }) }}>{group}</Menu.Item>)}
                </Menu.Dropdown>
              </Menu>
            )}
            {fresh.length > 0 && (
              <button type="button" className="more-rows" onClick={showFresh}><IconArrowUp size={12} /> {plural(fresh.length, 'new alert')}</button>
            )}
            <span className="grow" />
            <span className="only-wide"><Control
              name="Columns" any="Default" plain free picked={fields} onPick={pickFields}
              choices={[...new Set([...FIELDS, ...fields, ...(first ?? []).slice(0, 50).flatMap(({ document }) => Object.keys(document))])].filter((field) => field !== '@timestamp' && !field.startsWith('tocsin.')).map((value) => ({ value }))}
            /></span>
            <label className="row t2 nowrap"><input type="checkbox" className="check" checked={address.blocks ?? false} onChange={() => { go({ blocks: address.blocks ? undefined : true }) }} /> Building blocks</label>
            <label className="row t2 nowrap"><input type="checkbox" className="check" checked={address.withdrawn ?? false} onChange={() => { go({ withdrawn: address.withdrawn ? undefined : true }) }} /> Withdrawn</label>
          </div>
          <Loaded
            query={{ ...alerts, data: pages === undefined || problem ? undefined : rows, error: problem ? null : alerts.error, isPending: alerts.isPending }}
            skeleton={problem ? <p className="empty">Mend the query, and its alerts stand here.</p> : <SkeletonRows rows={12} widths={[14, 80, 250, 70, 30, 260, 90, 90]} />}
            empty={<NoAlerts address={address} onClear={(change) => { go(change) }} />}
          >
            {() => (
              <DataTable<Row>
                label="Alerts" onReading={setReading} name="alerts" columns={columns} rows={grouped} rowKey={(row) => (isHead(row) ? `group:${row.head.key}` : row.id)}
                sort={{ id: sort, desc: way !== 'asc' }} onSort={({ id, desc }) => { go({ sort: `${id}:${desc ? 'desc' : 'asc'}` }) }}
                selected={selected} onSelect={setSelected} current={address.alert}
                onOpen={(row) => { if (!isHead(row)) go({ alert: row.id }) }}
                onEnd={() => { if (alerts.hasNextPage && !alerts.isFetchingNextPage) void alerts.fetchNextPage() }}
                group={(row) => (isHead(row) ? <GroupHead head={row.head} onFold={() => { setFolded((was) => { const next = new Set(was); if (!next.delete(row.head.key)) next.add(row.head.key); return next }) }} /> : undefined)}
                narrow={(row) => (isHead(row) ? null : <NarrowAlert alert={row} />)}
                actions={(row) => (isHead(row) ? null : (
                  <>
                    <button type="button" className="btn quiet icon-only" aria-label={`Analyze: ${row.rule}`} title="Analyze" onClick={() => { void navigate({ to: '/analyzer', search: { alert: row.id } }) }}><IconBinaryTree2 className="icon" size={14} /></button>
                    <button type="button" className="btn quiet icon-only" aria-label={`Investigate: ${row.rule}`} title="Investigate: the events around it" onClick={() => { void navigate({ to: '/discover', search: around(row) }) }}><IconSearch className="icon" size={14} /></button>
                    <button type="button" className="btn quiet icon-only" aria-label={`Open: ${row.rule}`} title="Open" onClick={() => { go({ alert: row.id }) }}><IconDots className="icon" size={14} /></button>
                  </>
                ))}
                footer={<div className="table-foot"><span>{rows.length < (total ?? 0) ? `Rows 1 to ${count(rows.length)} of ${count(total ?? 0)}, exact` : `${plural(rows.length, 'alert')}, all of them`}</span></div>}
              />
            )}
          </Loaded>
        </div>
        {address.alert !== undefined && <AlertFlyout id={address.alert} tab={address.tab ?? 'overview'} onTab={(tab) => { go({ tab: tab === 'overview' ? undefined : tab }) }} onClose={() => { go({ alert: undefined, tab: undefined }) }} {...(at >= 0 ? { place: `${at + 1} of ${count(total ?? rows.length)}` } : {})} />}
      </Page>
    </ValueActionsProvider>
  )
}

/** Choices of a control are the values that alerts have, with counts. */
function ValueControl({ name, field, address, picked, onPick }: { name: string; field: string; address: AlertsAddress; picked: readonly string[]; onPick: (values: string[]) => void }) {
  const [wanted, setWanted] = useState(false)
  const top = useTop({ of: 'alerts', field, limit: 50, start: address.from ?? 'now-24h', end: address.to ?? 'now' }, wanted)
  return <Control name={name} free choices={(top.data?.values ?? []).map(({ value, count: has }) => ({ value: asText(value), count: has }))} picked={picked} onPick={onPick} onOpen={() => { setWanted(true) }} />
}

function GroupHead({ head, onFold }: { head: Head; onFold: () => void }) {
  return (
    <>
      <button type="button" className="btn quiet sm" aria-expanded={head.open} onClick={onFold}><IconChevronDown className="icon" size={14} style={{ transform: head.open ? undefined : 'rotate(-90deg)' }} /> <b className="mono">{head.key}</b></button>
      <Split rows={head.rows} />
      <span className="t2 cut">{head.rows[0]?.rule}{head.rows.length > 1 && <span className="t3"> and {head.rows.length - 1} more</span>}</span>
    </>
  )
}

function Split({ rows }: { rows: readonly AlertRow[] }) {
  return (
    <span className="split">
      {LEVELS.map((severity) => {
        const has = rows.filter((row) => row.severity === severity).length
        return has > 0 && <span key={severity}><SeverityMark severity={severity} size={14} />{has}</span>
      })}
    </span>
  )
}

function NarrowAlert({ alert }: { alert: AlertRow }) {
  return (
    <>
      <SeverityMark severity={alert.severity} />
      <b className="cut" style={{ fontWeight: 520 }}>{alert.rule}</b>
      <span className="t3 tm"><Time at={alert.time} detail="short" /></span>
      <span />
      <span className="t3 cut" style={{ gridColumn: '2 / 4', fontSize: 12 }}>{alert.reason}</span>
    </>
  )
}

function NoAlerts({ address, onClear }: { address: AlertsAddress; onClear: (change: Partial<AlertsAddress>) => void }) {
  const narrowed = Boolean(address.q ?? address.severity ?? address.host ?? address.user ?? address.filters ?? address.rule ?? address.status)
  return (
    <Empty
      title={narrowed ? 'No alert matches all of this.' : 'No open alert in this span.'}
      actions={<>
        {narrowed && <button type="button" className="btn primary" onClick={() => { onClear({ q: undefined, severity: undefined, host: undefined, user: undefined, filters: undefined, rule: undefined, status: undefined }) }}>Take the filters off</button>}
        <button type="button" className={narrowed ? 'btn' : 'btn primary'} onClick={() => { onClear({ from: 'now-30d', to: 'now' }) }}>Look at 30 days</button>
        <Link to="/rules" className="btn">See which rules run</Link>
      </>}
    >
      {narrowed ? 'A filter above is in the way, or the span of time is too short.' : 'Closed ones are under Status. Rules that are on raise new ones by themselves, within seconds of the event.'}
    </Empty>
  )
}
