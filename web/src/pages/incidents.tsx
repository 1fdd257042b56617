/** Incidents, by what to look at first. */
import { Link, useNavigate, useSearch } from '@tanstack/react-router'

import { useIncidents } from '../api/incidents'
import type { IncidentRow } from '../api/types'
import { Page } from '../panels/page'
import { STATUS_WORD, VerdictMark } from '../panels/triage'
import { Segments } from '../ui/controls'
import { plural } from '../ui/format'
import { Empty, Loaded, SkeletonRows } from '../ui/loaded'
import { Severity, SeverityMark } from '../ui/severity'
import { DataTable, type Column } from '../ui/table'
import { Avatar, RelativeTime } from '../ui/text'

const columns: readonly Column<IncidentRow>[] = [
  { id: 'severity', header: 'Severity', width: 104, cell: (row) => <Severity severity={row.severity} /> },
  { id: 'score', header: 'Score', width: 60, numeric: true, sortBy: true, cell: (row) => <span className="risk">{Math.round(row.score)}</span> },
  { id: 'title', header: 'What', width: 380, grow: true, cell: (row) => <div className="cut"><b style={{ fontWeight: 520, fontSize: 13.5 }}>{row.title}</b><div className="t3 cut" style={{ fontSize: 12 }}>{row.summary}</div></div> },
  { id: 'where', header: 'Who and where', width: 190, cell: (row) => <div className="cut"><span className="mono">{row.hosts.slice(0, 2).join(', ') || row.addresses[0] || ''}</span><div className="t3 mono cut">{row.users.slice(0, 3).join(', ')}</div></div> },
  { id: 'alerts', header: 'Alerts', width: 70, numeric: true, cell: (row) => <Link to="/alerts" search={{ incident: row.id, status: ['any'], blocks: true, from: row.first, to: 'now' }} onClick={(event) => { event.stopPropagation() }}>{row.alerts}</Link> },
  { id: 'last', header: 'Last change', width: 110, numeric: true, sortBy: true, cell: (row) => <span className="t2"><RelativeTime at={row.last} /></span> },
  { id: 'owner', header: 'Owner', width: 120, cell: (row) => <span className="row t2"><Avatar name={row.triage.assignee} /> {row.triage.assignee ?? 'Nobody'}</span> },
  { id: 'status', header: 'Status', width: 130, cell: (row) => (row.triage.verdict === null ? STATUS_WORD[row.triage.status] : <VerdictMark verdict={row.triage.verdict} />) },
]

/** The page. */
export function Incidents() {
  const address = useSearch({ from: '/incidents' })
  const navigate = useNavigate({ from: '/incidents' })
  const status = address.status ?? 'open'
  const incidents = useIncidents({ statuses: status === 'any' ? [] : [status], sort: address.sort ?? 'score', size: 500 })
  return (
    <Page title="Incidents" note={incidents.data && plural(incidents.data.total, 'incident')}>
      <div className="work">
        <div className="tools" style={{ paddingTop: 10 }}>
          <Segments label="Status" value={status} onChange={(next) => { void navigate({ search: (was) => ({ ...was, status: next === 'open' ? undefined : next }) }) }} choices={[{ value: 'open', label: 'Open' }, { value: 'acknowledged', label: 'Acknowledged' }, { value: 'closed', label: 'Closed' }, { value: 'any', label: 'All' }]} />
        </div>
        <Loaded
          query={incidents} isEmpty={({ total }) => total === 0} skeleton={<SkeletonRows rows={6} height={48} widths={[80, 30, 420, 140, 40, 80, 90]} />}
          empty={<Empty title="No incident here." actions={<><Link to="/alerts" className="btn primary">Security alerts</Link><Link to="/incidents" search={{ status: 'any' }} className="btn">Incidents of every status</Link></>}>Alerts of two rules or more that share a process tree, a connection, a file or a client become one incident, by themselves.</Empty>}
        >
          {(page) => (
            <DataTable<IncidentRow>
              label="Incidents" name="incidents" columns={columns} rows={page.incidents} rowKey={({ id }) => id} rowHeight={48}
              sort={{ id: address.sort === 'last' ? 'last' : 'score', desc: true }} onSort={({ id }) => { void navigate({ search: (was) => ({ ...was, sort: id === 'last' ? 'last' : undefined }) }) }}
              onOpen={(row) => { void navigate({ to: '/incidents/$id', params: { id: row.id } }) }}
              narrow={(row) => <><SeverityMark severity={row.severity} /><b className="cut" style={{ fontWeight: 520 }}>{row.title}</b><span className="t3"><RelativeTime at={row.last} /></span><span /><span className="t3 cut" style={{ gridColumn: '2 / 4', fontSize: 12 }}>{[plural(row.alerts, 'alert'), row.hosts.join(', ')].filter(Boolean).join(', ')}</span></>}
            />
          )}
        </Loaded>
      </div>
    </Page>
  )
}
