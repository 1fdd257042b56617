/** Sources: what sends, how much, how late, and what could not be read. */
import './alerts.css'
import './sources.css'

import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { IconPlus } from '@tabler/icons-react'
import { Modal } from '@mantine/core'
import { useMemo, useState } from 'react'

import { useSources, useStatus } from '../api/status'
import type { Document, Source, SourcesPage } from '../api/types'
import { Page } from '../panels/page'
import { Sparkline, Histogram } from '../ui/chart'
import { Find, Segments } from '../ui/controls'
import { filterKql } from '../ui/filters'
import { Flyout } from '../ui/flyout'
import { asText, bytes, count, percent, plural, rate } from '../ui/format'
import { Empty, Loaded, SkeletonRows } from '../ui/loaded'
import { DataTable, type Column, type Sort } from '../ui/table'
import { Code, RelativeTime, Time } from '../ui/text'
import { duration } from '../ui/time'

const keyOf = (source: Source) => `${source.dataset} ${source.sender}`
const STATE: Record<Source['status'], [className: string, word: string]> = { ok: ['state', 'Sends'], silent: ['state silent', 'Silent'], failing: ['state late', 'Failing'] }
const lagging = (source: Source) => source.lag_seconds > 60 || source.late > 0

const columns: readonly Column<Source>[] = [
  { id: 'dataset', header: 'Source', width: 250, grow: true, sortBy: (source) => source.dataset, cell: (source) => <span className="row"><span className={STATE[source.status][0]} title={STATE[source.status][1]}><b style={{ fontWeight: 520 }}>{source.dataset}</b></span><span className="t3 cut">{source.host}</span></span> },
  { id: 'sender', header: 'Comes by', width: 170, sortBy: (source) => source.sender, cell: (source) => <span className="t2">{source.sender}</span> },
  { id: 'events', header: 'Events', width: 96, numeric: true, sortBy: (source) => source.events, cell: (source) => <Link to="/discover" search={{ q: filterKql({ field: 'event.dataset', value: source.dataset }), from: 'now-90d', to: 'now' }} onClick={(event) => { event.stopPropagation() }}>{count(source.events)}</Link> },
  { id: 'histogram', header: 'Lately', width: 112, cell: (source) => <Sparkline values={source.histogram} bad={source.status === 'silent'} label={`Rate of ${source.dataset}: ${source.histogram.join(', ')}`} /> },
  { id: 'rate', header: 'Per s', width: 70, numeric: true, sortBy: (source) => source.events_per_second, cell: (source) => <span className={source.status === 'silent' ? 'bad' : undefined}>{rate(source.events_per_second)}</span> },
  { id: 'lag', header: 'Lag', width: 84, numeric: true, sortBy: (source) => source.lag_seconds, cell: (source) => <span className={source.lag_seconds > 60 ? 'warn' : 't2'}>{duration(source.lag_seconds * 1000)}</span> },
  { id: 'late', header: 'Late', width: 64, numeric: true, sortBy: (source) => source.late, cell: (source) => <span className={source.late > 0 ? undefined : 't3'}>{count(source.late)}</span> },
  { id: 'unparsed', header: 'Unparsed', width: 84, numeric: true, sortBy: (source) => source.unparsed, cell: (source) => (source.unparsed > 0 ? <span className="link">{count(source.unparsed)}</span> : <span className="t3">0</span>) },
  { id: 'share', header: 'Share', width: 76, numeric: true, cell: (source) => <span className="t3">{source.unparsed > 0 ? percent(source.unparsed / Math.max(1, source.events + source.unparsed)) : ''}</span> },
  { id: 'last', header: 'Last event', width: 120, sortBy: (source) => source.last, cell: (source) => <span className={source.status === 'silent' ? 'bad' : 't2'}><RelativeTime at={source.last} /></span> },
]

/** The page. */
export function Sources() {
  const sources = useSources()
  const [adding, setAdding] = useState(false)
  return (
    <Page title="Sources" note={sources.data && `${plural(sources.data.sources.length, 'source')}, ${rate(sources.data.sources.reduce((sum, source) => sum + source.events_per_second, 0))} events/s`}>
      <Loaded query={sources} skeleton={<div className="work"><SkeletonRows rows={12} widths={[200, 110, 60, 92, 40, 50, 40, 70]} height={33} /></div>}>{(page) => <Body page={page} onAdd={() => { setAdding(true) }} />}</Loaded>
      {adding && <AddSource onClose={() => { setAdding(false) }} />}
    </Page>
  )
}

function Body({ page, onAdd }: { page: SourcesPage; onAdd: () => void }) {
  const address = useSearch({ from: '/sources' })
  const navigate = useNavigate({ from: '/sources' })
  const [sort, setSort] = useState<Sort>({ id: 'events', desc: true })
  const silent = page.sources.filter(({ status }) => status === 'silent')
  const unparsed = page.sources.reduce((sum, source) => sum + source.unparsed, 0)
  const drops = Object.entries(page.drops).filter(([, lost]) => lost > 0)
  const rows = useMemo(() => page.sources.filter((source) => {
    const wanted = (address.find ?? '').toLowerCase()
    if (wanted !== '' && !`${source.dataset} ${source.sender} ${source.host ?? ''}`.toLowerCase().includes(wanted)) return false
    return address.show === undefined || (address.show === 'silent' ? source.status === 'silent' : address.show === 'late' ? lagging(source) : source.unparsed > 0)
  }), [page.sources, address.find, address.show])
  const open = page.sources.find((source) => keyOf(source) === address.source)
  return (
    <>
      <div className="work">
        <div className="sources-head">
          <p className="said">
            {page.sources.length === 0 ? 'Nothing sends yet.' : silent.length === 0 ? `All ${page.sources.length} sources send.` : silent.length === 1 ? <><b>{silent[0]?.dataset}</b> has sent nothing for {duration(Date.now() - Date.parse(silent[0]?.last ?? ''))}. The other {page.sources.length - 1} send.</> : `${silent.length} of ${page.sources.length} sources are silent.`}
            {' '}{unparsed > 0 ? `${plural(unparsed, 'event')} could not be read and ${unparsed === 1 ? 'is' : 'are'} kept whole.` : page.sources.length > 0 ? 'Every event could be read.' : ''}
          </p>
          <button type="button" className="btn primary" onClick={onAdd}><IconPlus className="icon" size={14} /> Add a source</button>
        </div>
        <div className="tools">
          <Find label="Find a source or host" value={address.find ?? ''} onChange={(find) => { void navigate({ search: (was) => ({ ...was, find: find === '' ? undefined : find }), replace: true }) }} width={220} />
          <Segments label="Show" value={address.show ?? 'all'} onChange={(show) => { void navigate({ search: (was) => ({ ...was, show: show === 'all' ? undefined : show }) }) }} choices={[{ value: 'all', label: 'All', count: page.sources.length }, { value: 'silent', label: 'Silent', count: silent.length }, { value: 'late', label: 'Late', count: page.sources.filter(lagging).length }, { value: 'unparsed', label: 'Unparsed', count: page.sources.filter((source) => source.unparsed > 0).length }]} />
          <span className="grow" />
          <span className="t3">{drops.length === 0 ? 'Nothing was dropped' : drops.map(([name, lost]) => `${name}: ${count(lost)} dropped`).join(', ')}</span>
        </div>
        {rows.length === 0 ? (
          <Empty title={page.sources.length === 0 ? 'No source sends yet.' : 'No source fits.'} actions={page.sources.length === 0 ? <button type="button" className="btn primary" onClick={onAdd}>Send a first event</button> : <Link to="/sources" className="btn primary">All sources</Link>}>{page.sources.length === 0 ? 'Point a shipper at an address of this server. This page fills by itself.' : 'The filter above hides the others.'}</Empty>
        ) : (
          <DataTable<Source>
            label="Sources" name="sources" columns={columns} rows={rows} rowKey={keyOf} rowHeight={33} sort={sort} onSort={setSort} current={address.source}
            onOpen={(source) => { void navigate({ search: (was) => ({ ...was, source: keyOf(source) }) }) }}
            narrow={(source) => <><span className={STATE[source.status][0]} /><b className="cut" style={{ fontWeight: 520 }}>{source.dataset}</b><span className="t3">{rate(source.events_per_second)}/s</span><span /><span className="t3 cut" style={{ gridColumn: '2 / 4', fontSize: 12 }}>{source.sender}, {count(source.events)} events{source.unparsed > 0 && `, ${count(source.unparsed)} unparsed`}</span></>}
          />
        )}
      </div>
      {open && <SourceFlyout source={open} page={page} onClose={() => { void navigate({ search: (was) => ({ ...was, source: undefined }) }) }} />}
    </>
  )
}

function SourceFlyout({ source, page, onClose }: { source: Source; page: SourcesPage; onClose: () => void }) {
  const reasons = Object.entries(source.reasons).sort(([, a], [, b]) => b - a)
  const first = Date.parse(source.first)
  const step = Math.max(60_000, (Date.now() - first) / Math.max(1, source.histogram.length))
  // The samples name their source where they can; those that do not are shown under every source that has unread events.
  const samples = page.unparsed.filter((document) => belongs(document, source))
  return (
    <Flyout
      label="Source" name="source" width={468} onClose={onClose} head={<><span className={STATE[source.status][0]}><b style={{ fontSize: 15 }}>{source.dataset}</b></span><span className="t3 cut">{source.host}</span><span className="grow" /></>}
      foot={<Link className="btn primary" to="/discover" search={{ q: filterKql({ field: 'event.dataset', value: source.dataset }), from: 'now-90d', to: 'now' }}>Events in Discover</Link>}
    >
      <div className="scroll grow">
        <section className="section">
          <div className="stat">
            <div><b>{rate(source.events_per_second)}/s</b><span>now</span></div>
            <div><b>{duration(source.lag_seconds * 1000)}</b><span>lag</span></div>
            <div><b>{percent(source.events / Math.max(1, source.events + source.unparsed))}</b><span>read whole</span></div>
            <div><b>{bytes(source.bytes)}</b><span>raw</span></div>
            <div><b>{count(source.late)}</b><span>late</span></div>
            <div><b>{count(source.overflowed)}</b><span>values of a wrong type</span></div>
          </div>
          <div style={{ marginTop: 10 }}><Histogram label={`Events of ${source.dataset}`} bins={source.histogram.map((each, index) => ({ at: Date.now() - (source.histogram.length - index) * step, count: each }))} interval={step} height={90} /></div>
          <p className="t3">First <Time at={source.first} />, last <Time at={source.last} />, by {source.sender}</p>
        </section>
        <section className="section">
          <h2>What could not be read <small>{source.unparsed === 0 ? 'nothing' : `${count(source.unparsed)}, kept with its raw text`}</small></h2>
          {reasons.map(([reason, has]) => (
            <div key={reason} className="shape">
              <div className="row"><b className="grow">{reason}</b><Link to="/discover" search={{ q: `event.dataset: tocsin.unparsed and error.message: ${JSON.stringify(reason)}`, from: 'now-90d', to: 'now' }}>{count(has)}</Link></div>
              {samples.filter((document) => asText(document['error.message']) === reason).slice(0, 2).map((document, index) => <Code key={index} text={asText(document['event.original'])} label="Sample" />)}
            </div>
          ))}
          {source.unparsed > 0 && <p style={{ marginTop: 8 }}><Link to="/discover" search={{ q: 'event.dataset: tocsin.unparsed', from: 'now-90d', to: 'now' }}>All of it in Discover</Link></p>}
        </section>
      </div>
    </Flyout>
  )
}

function belongs(document: Document, source: Source): boolean {
  const named = asText(document['tocsin.dataset'] ?? document['event.provider'] ?? document['event.module'])
  return named === '' || source.dataset.startsWith(named) || named.startsWith(source.dataset)
}

function AddSource({ onClose }: { onClose: () => void }) {
  const status = useStatus()
  return (
    <Modal opened onClose={onClose} title="Add a source" size={760} transitionProps={{ duration: 0 }}>
      <p className="t2" style={{ marginBottom: 12 }}>These addresses listen. Shippers that can sign in need a key: <Link to="/settings/$part" params={{ part: 'keys' }} onClick={onClose}>make one</Link>.</p>
      <Loaded query={status}>
        {({ listeners }) => <div className="form">{listeners.map((listener) => <section key={listener.name}><h2>{listener.name} <small className="mono">{listener.address}</small></h2><Code text={listener.example} label={`Example for ${listener.name}`} /></section>)}</div>}
      </Loaded>
    </Modal>
  )
}
