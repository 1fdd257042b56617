/** Rules: what looks, where it came from, whether it can see. */
import './alerts.css'

import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { IconEyeOff } from '@tabler/icons-react'
import { useMemo, useState } from 'react'

import { useMe } from '../api/session'
import { useChangeRule, useRules } from '../api/rules'
import type { RuleFolder, RuleRow, RulesPage } from '../api/types'
import { Control } from '../panels/control'
import { Page } from '../panels/page'
import { Find, Segments } from '../ui/controls'
import { count, plural } from '../ui/format'
import { Empty, Failed, Loaded, SkeletonRows } from '../ui/loaded'
import { SEVERITIES, Severity, SeverityMark } from '../ui/severity'
import { DataTable, type Column } from '../ui/table'
import { RelativeTime } from '../ui/text'

type Status = RuleRow['status'] | 'on' | 'off' | 'all'
const STATUS_CLASS: Record<RuleRow['status'], string> = { ok: 'state', learning: 'state late', blind: 'state late', unsupported: 'state off', invalid: 'state silent' }

/** A rule's state in a mark and a word; the reason stands beside it. */
export function RuleState({ rule }: { rule: Pick<RuleRow, 'status' | 'reason'> }) {
  if (rule.status === 'blind') return <span className="tag warn" title={rule.reason}><IconEyeOff size={12} /> blind{rule.reason !== '' && `: ${rule.reason}`}</span>
  return <span className={STATUS_CLASS[rule.status]} title={rule.reason}>{rule.status}{rule.reason !== '' && <span className="t3 cut">{rule.reason}</span>}</span>
}

/** What tells a rule from another of the same name: its kind and the product it looks at, else its id. */
function apart(rule: RuleRow): string {
  const looks = ['Data Source: ', 'OS: ', 'Domain: '].flatMap((kind) => rule.tags.filter((tag) => tag.startsWith(kind)).map((tag) => tag.slice(kind.length)))
  return `${rule.type}, ${looks[0] ?? rule.id.slice(0, 8)}`
}

/** The page. */
export function Rules() {
  const rules = useRules()
  return (
    <Page title="Rules" note={rules.data && `${count(rules.data.rules.filter(({ enabled }) => enabled).length)} on, of ${count(rules.data.rules.length)}`}>
      <div className="work"><Loaded query={rules} skeleton={<SkeletonRows rows={14} widths={[30, 380, 80, 40, 90, 120]} />} isEmpty={({ rules: all }) => all.length === 0} empty={<Empty title="No rule was read.">Start tocsin serve with --rules and a folder of Sigma or Elastic rules.</Empty>}>{(page) => <List page={page} />}</Loaded></div>
    </Page>
  )
}

function List({ page }: { page: RulesPage }) {
  const address = useSearch({ from: '/rules' })
  const navigate = useNavigate({ from: '/rules' })
  const change = useChangeRule()
  const viewer = useMe().data?.role === 'viewer'
  const [severity, setSeverity] = useState<string[]>([])
  const status = (address.status ?? 'all') as Status
  const [sort = '', way] = (address.sort ?? 'name:asc').split(':')
  const rows = useMemo(() => {
    const wanted = (address.find ?? '').toLowerCase()
    return page.rules.filter((rule) => (address.folder === undefined || rule.folder === address.folder)
      && (status === 'all' || (status === 'on' ? rule.enabled : status === 'off' ? !rule.enabled : rule.status === status))
      && (severity.length === 0 || severity.includes(rule.severity))
      && (wanted === '' || `${rule.name} ${rule.tags.join(' ')} ${rule.techniques.map(({ technique, name }) => `${technique} ${name}`).join(' ')}`.toLowerCase().includes(wanted)))
  }, [page.rules, address.find, address.folder, status, severity])
  const twins = useMemo(() => {
    const seen = new Map<string, number>()
    for (const { name } of page.rules) seen.set(name, (seen.get(name) ?? 0) + 1)
    return new Set([...seen].flatMap(([name, times]) => (times > 1 ? [name] : [])))
  }, [page.rules])
  const has = (wanted: RuleRow['status']) => page.rules.filter((rule) => rule.status === wanted).length
  const columns = useMemo((): Column<RuleRow>[] => [
    { id: 'on', header: 'On', width: 56, cell: (rule) => <input type="checkbox" role="switch" className="switch" aria-label={`${rule.name}: ${rule.enabled ? 'on' : 'off'}`} checked={rule.enabled} disabled={viewer || rule.status === 'invalid' || rule.status === 'unsupported'} onClick={(event) => { event.stopPropagation() }} onChange={() => { change.mutate({ id: rule.id, change: { enabled: !rule.enabled } }) }} /> },
    { id: 'name', header: 'Rule', width: 300, grow: true, sortBy: (rule) => rule.name.toLowerCase(), cell: (rule) => <Link to="/rules/$id" params={{ id: rule.id }} className="plain" onClick={(event) => { event.stopPropagation() }}>{rule.name}{twins.has(rule.name) && <span className="t3" title={rule.id}> {apart(rule)}</span>}{rule.building_block && <span className="tag" style={{ marginLeft: 6 }}>building block</span>}{rule.own && <span className="tag" style={{ marginLeft: 6 }}>made here</span>}</Link> },
    { id: 'severity', header: 'Severity', width: 100, sortBy: (rule) => -SEVERITIES.indexOf(rule.severity), cell: (rule) => <Severity severity={rule.severity} /> },
    { id: 'risk', header: 'Risk', width: 56, numeric: true, sortBy: (rule) => rule.risk_score, cell: (rule) => <span className="risk">{Math.round(rule.risk_score)}</span> },
    { id: 'type', header: 'Kind', width: 130, sortBy: (rule) => rule.type, cell: (rule) => <span className="t2">{rule.type}{rule.type !== rule.format && <span className="t3"> {rule.format}</span>}</span> },
    { id: 'techniques', header: 'ATT&CK', width: 120, cell: (rule) => <span className="t2" title={rule.techniques.map(({ technique, name }) => `${technique} ${name}`).join('\n')}>{rule.techniques.map(({ technique, tactic }) => technique || tactic).slice(0, 2).join(', ')}</span> },
    { id: 'open', header: 'Open', width: 64, numeric: true, sortBy: (rule) => rule.alerts_open, cell: (rule) => <Link to="/alerts" search={{ rule: [rule.id], from: 'now-30d', to: 'now' }} className={rule.alerts_open === 0 ? 't3' : undefined} onClick={(event) => { event.stopPropagation() }}>{rule.alerts_open}</Link> },
    { id: 'day', header: '24 h', width: 64, numeric: true, sortBy: (rule) => rule.alerts_24h, cell: (rule) => <Link to="/alerts" search={{ rule: [rule.id], status: ['any'], blocks: true }} className={rule.alerts_24h === 0 ? 't3' : undefined} onClick={(event) => { event.stopPropagation() }}>{rule.alerts_24h}</Link> },
    { id: 'last', header: 'Last alert', width: 110, numeric: true, sortBy: (rule) => rule.last_alert ?? '', cell: (rule) => (rule.last_alert === null ? <span className="t3">never</span> : <RelativeTime at={rule.last_alert} />) },
    { id: 'status', header: 'State', width: 220, sortBy: (rule) => rule.status, cell: (rule) => <RuleState rule={rule} /> },
  ], [change, viewer, twins])
  return (
    <>
      <div className="tools" style={{ paddingTop: 10 }}>
        <Find label="Find a rule, tag or technique" value={address.find ?? ''} onChange={(find) => { void navigate({ search: (was) => ({ ...was, find: find === '' ? undefined : find }), replace: true }) }} width={260} />
        <Segments
          label="State" value={status} onChange={(next) => { void navigate({ search: (was) => ({ ...was, status: next === 'all' ? undefined : next }) }) }}
          choices={[{ value: 'all', label: 'All', count: page.rules.length }, { value: 'on', label: 'On', count: page.rules.filter(({ enabled }) => enabled).length }, { value: 'blind', label: 'Blind', count: has('blind') }, { value: 'unsupported', label: 'Unsupported', count: has('unsupported') }, { value: 'invalid', label: 'Invalid', count: has('invalid') }]}
        />
        <Control name="Severity" choices={(['critical', 'high', 'medium', 'low'] as const).map((value) => ({ value, label: <Severity severity={value} /> }))} picked={severity} onPick={setSeverity} />
        <Folders folders={page.folders} picked={address.folder} onPick={(folder) => { void navigate({ search: (was) => ({ ...was, folder }) }) }} />
        <span className="grow" />
        <Link to="/discover" className="btn">New rule from a search</Link>
      </div>
      {change.error && <Failed error={change.error} />}
      {rows.length === 0 ? <Empty title="No rule fits." actions={<Link className="btn primary" to="/rules">All rules</Link>}>{plural(page.rules.length, 'rule')} are there; the filters above hide them.</Empty> : (
        <DataTable<RuleRow>
          label="Rules" name="rules" columns={columns} rows={rows} rowKey={({ id }) => id} sort={{ id: sort, desc: way === 'desc' }} onSort={({ id, desc }) => { void navigate({ search: (was) => ({ ...was, sort: `${id}:${desc ? 'desc' : 'asc'}` }) }) }}
          onOpen={(rule) => { void navigate({ to: '/rules/$id', params: { id: rule.id } }) }}
          narrow={(rule) => <><SeverityMark severity={rule.severity} /><b className="cut" style={{ fontWeight: 520 }}>{rule.name}{twins.has(rule.name) && <span className="t3"> {apart(rule)}</span>}</b><span className="t3">{rule.enabled ? 'on' : 'off'}</span><span /><span className="t3 cut" style={{ gridColumn: '2 / 4', fontSize: 12 }}>{rule.type}, {rule.status}, {plural(rule.alerts_open, 'open alert')}{rule.building_block ? ', building block' : ''}</span></>}
          footer={<div className="table-foot">{plural(rows.length, 'rule')}</div>}
        />
      )}
    </>
  )
}

function Folders({ folders, picked, onPick }: { folders: readonly RuleFolder[]; picked: string | undefined; onPick: (folder: string | undefined) => void }) {
  return (
    <Control
      name="Folder" any="All" picked={picked === undefined ? [] : [picked]} onPick={(values) => { onPick(values.at(-1)) }}
      choices={folders.map((folder) => ({ value: folder.name, count: folder.total, label: <>{folder.name} <span className="t3">{[folder.blind > 0 && `${folder.blind} blind`, folder.unsupported > 0 && `${folder.unsupported} unsupported`, folder.invalid > 0 && `${folder.invalid} invalid`].filter(Boolean).join(', ')}</span></> }))}
    />
  )
}
