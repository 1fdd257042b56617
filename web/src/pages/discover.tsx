/** Discover: any event, by query, filters, time and columns. The address bar keeps all of it. */
import './discover.css'
import './alerts.css'

import { useNavigate, useSearch } from '@tanstack/react-router'
import { IconArrowsMaximize, IconBinaryTree2, IconCode, IconListDetails, IconShieldPlus } from '@tabler/icons-react'
import { useCallback, useEffect, useMemo, useState } from 'react'

import { complete, useDocument, useHistogram, useSearch as useDocuments } from '../api/search'
import type { Found, SearchRequest } from '../api/types'
import { AddFilter } from '../panels/addfilter'
import { toBins } from '../panels/bins'
import { Breakdown } from '../panels/breakdown'
import { Control } from '../panels/control'
import { DocumentFields, DocumentJson, useKinds, useReader } from '../panels/document'
import { FieldList } from '../panels/fieldlist'
import { InspectDialog } from '../panels/inspect'
import { Page } from '../panels/page'
import { problemOf } from '../panels/problem'
import { RuleForm } from '../panels/ruleform'
import { addToTimeline } from '../panels/timelinebar'
import { Histogram } from '../ui/chart'
import { Segments, Tabs } from '../ui/controls'
import { addFilter, andKql, filtersKql, toApi } from '../ui/filters'
import { Flyout } from '../ui/flyout'
import { asText, count, plural } from '../ui/format'
import { Empty, Loaded, SkeletonRows, SkeletonText } from '../ui/loaded'
import { FilterPills } from '../ui/pills'
import { QueryBar } from '../ui/querybar'
import type { Language } from '../ui/querylang'
import { usePrefs } from '../ui/prefs'
import { DataTable, FieldHead, fit, type Column } from '../ui/table'
import { Time } from '../ui/text'
import { duration, formatInTable } from '../ui/time'
import { TimeRangePicker } from '../ui/timerange'
import { FieldValue, ValueActionsProvider } from '../ui/value'
import type { DiscoverAddress } from './addresses'

interface Head {
  head: string
  count: number
}
type Row = Found | Head
const isHead = (row: Row): row is Head => 'head' in row

const HINTS: Record<Language, string> = {
  kql: 'event.dataset: zeek.http and url.extension: (bat or cmd)',
  eql: 'sequence by host.name [process where process.name : "cmd.exe"] [network where true]',
  sigma: 'detection: of a Sigma rule, or a whole rule in YAML',
}

/** What the Summary column shows first. */
const TELLING = ['message', 'event.action', 'event.dataset', 'host.name', 'user.name', 'process.name', 'process.command_line', 'source.ip', 'destination.ip', 'destination.port', 'url.path', 'file.path']

const numbers = new Set(['long', 'double'])
/** What is often asked first, then every field whose values repeat. */
const SPLITS = ['event.dataset', 'event.action', 'event.outcome', 'host.name', 'user.name', 'process.name', 'source.ip', 'destination.ip', 'destination.port', 'http.response.status_code']
const SPLIT_KINDS = new Set(['keyword', 'ip', 'boolean', 'long'])

/** The page. */
export function Discover() {
  const address = useSearch({ from: '/discover' })
  const navigate = useNavigate({ from: '/discover' })
  const go = useCallback((change: Partial<DiscoverAddress>) => { void navigate({ search: (was) => ({ ...was, ...change }) }) }, [navigate])
  const language = address.lang ?? 'kql'
  const [text, setText] = useState(address.q ?? '')
  useEffect(() => { setText(address.q ?? '') }, [address.q])
  const [openField, setOpenField] = useState<string | undefined>(undefined)
  const [dialog, setDialog] = useState<'rule' | 'inspect' | undefined>(undefined)
  const [fieldsShown, setFieldsShown] = useState(false)
  const kinds = useKinds()
  const { zone } = usePrefs()
  const read = useReader()

  const columns = useMemo(() => address.columns ?? [], [address.columns])
  const oldest = address.sort === '@timestamp:asc'
  const span = { from: address.from ?? 'now-24h', to: address.to ?? 'now' }
  const renew = address.renew === undefined || address.renew === 0 ? false : address.renew * 1000
  const search = useMemo((): SearchRequest => ({
    query: address.q ?? '', language, of: 'events', start: span.from, end: span.to, filters: toApi(address.filters ?? []),
  }), [address.q, language, span.from, span.to, address.filters])
  const documents = useDocuments({ ...search, size: 200, oldest_first: oldest }, renew)
  // A sequence is no single event: what counts events has nothing to count.
  const many = language === 'eql' && /^\s*(?:sequence|sample)\b/.test(address.q ?? '')
  const histogram = useHistogram({ ...search, buckets: 60, by: address.by ?? null }, renew, !many)
  const problem = problemOf(documents.error)

  const pages = documents.data?.pages
  const rows = useMemo((): Row[] => {
    const sequences = pages?.flatMap((page) => page.sequences) ?? []
    if (sequences.length > 0) return sequences.flatMap((sequence, index): Row[] => [{ head: `Sequence ${index + 1}`, count: sequence.length }, ...sequence])
    return pages?.flatMap((page) => page.documents) ?? []
  }, [pages])
  const total = pages?.[0]?.total
  const counts = useMemo(() => {
    if (!many) return undefined
    const has: Record<string, number> = {}
    for (const row of rows) if (!isHead(row)) for (const name of Object.keys(row.document)) has[name] = (has[name] ?? 0) + 1
    return has
  }, [many, rows])
  // What the columns' widths come from: the first page alone, so that rows loaded later move none.
  const first = useMemo(() => (pages?.[0] ? [...pages[0].documents, ...pages[0].sequences.flat()] : []), [pages])
  const loaded = rows.filter((row) => !isHead(row)).length

  const toggle = useCallback((field: string) => {
    void navigate({ search: (was) => {
      const had = was.columns ?? []
      const next = had.includes(field) ? had.filter((other) => other !== field) : [...had, field]
      return { ...was, columns: next.length > 0 ? next : undefined }
    } })
  }, [navigate])
  const actions = useMemo(() => ({
    filter: (field: string, value: string | number | boolean, not: boolean) => { void navigate({ search: (was) => ({ ...was, filters: addFilter(was.filters ?? [], { field, value, ...(not ? { not } : {}) }) }) }) },
    toggleColumn: toggle,
    topValues: setOpenField,
    addToTimeline,
  }), [navigate, toggle])

  const tableColumns = useMemo((): Column<Row>[] => {
    const now = new Date()
    const moments = first.map(({ time }) => formatInTable(new Date(time), zone, now))
    const cell = (draw: (row: Found) => React.ReactNode) => (row: Row) => (isHead(row) ? null : draw(row))
    return [
      { id: '@timestamp', header: <FieldHead field="@timestamp" />, width: fit(moments, { head: '@timestamp', least: 108 }) + 8, sortBy: true, cell: cell((row) => <span className="t2"><Time at={row.time} /></span>) },
      ...(columns.length === 0
        ? [{ id: 'summary', header: <span className="two">Summary</span>, width: 600, grow: true, cell: cell((row) => <Summary found={row} />) }]
        : columns.map((field): Column<Row> => ({
          id: field, header: <FieldHead field={field} />, grow: true, ...widthsOf(field, first.map((row) => asText(read(row.document, field)))),
          numeric: numbers.has(kinds.get(field) ?? ''), cell: cell((row) => <FieldValue field={field} value={read(row.document, field)} />),
        }))),
    ]
  }, [columns, kinds, read, first, zone])

  const splits = useMemo(() => [...new Set([...SPLITS, ...columns, ...[...kinds].flatMap(([name, kind]) => (SPLIT_KINDS.has(kind) ? [name] : []))])].map((value) => ({ value })), [columns, kinds])

  const run = () => {
    const q = text.trim() || undefined
    if (q === address.q) {
      void documents.refetch()
      void histogram.refetch()
    } else go({ q })
  }
  const at = rows.findIndex((row) => !isHead(row) && row.id === address.doc)
  const open = address.doc === undefined ? undefined : rows.find((row): row is Found => !isHead(row) && row.id === address.doc)
  const filters = address.filters ?? []
  return (
    <ValueActionsProvider actions={actions}>
      <Page
        title="Discover"
        tools={<TimeRangePicker span={span} onChange={({ from, to }) => { go({ from, to }) }} refresh={address.renew ?? 0} onRefresh={(seconds) => { go({ renew: seconds || undefined }) }} onNow={() => { void documents.refetch(); void histogram.refetch() }} />}
      >
        <div className="work">
          <div className="query-row">
            <Segments label="Query language" value={language} onChange={(lang) => { go({ lang: lang === 'kql' ? undefined : lang }) }} choices={[{ value: 'kql', label: 'KQL' }, { value: 'eql', label: 'EQL' }, { value: 'sigma', label: 'Sigma' }]} />
            <QueryBar value={text} language={language} onChange={setText} onRun={run} complete={(typed, cursor, signal) => complete(typed, cursor, language, signal)} problem={problem} placeholder={HINTS[language]} />
            <button type="button" className="btn only-wide" style={{ height: 32 }} onClick={() => { setDialog('rule') }}><IconShieldPlus className="icon" size={14} /> Create rule</button>
          </div>
          <div className="pills pill-row">
            <FilterPills filters={filters} onChange={(next) => { go({ filters: next.length > 0 ? next : undefined }) }} />
            <AddFilter onAdd={(filter) => { go({ filters: addFilter(filters, filter) }) }} />
            <button type="button" className="btn only-narrow" aria-expanded={fieldsShown} onClick={() => { setFieldsShown(!fieldsShown) }}><IconListDetails className="icon" size={14} /> Fields</button>
            <button type="button" className="btn only-narrow" onClick={() => { setDialog('rule') }}><IconShieldPlus className="icon" size={14} /> Create rule</button>
          </div>
          <div className="discover-body">
            <FieldList search={search} renew={renew} counts={counts} columns={columns} onToggle={toggle} open={openField} onOpen={setOpenField} shown={fieldsShown} />
            <div className="work">
              <div className="histo">
                <div className="histo-head">
                  <b className="tm">{total === undefined ? '–' : count(total)}</b> <span className="t3">{many ? (total === 1 ? 'sequence' : 'sequences') : total === 1 ? 'event' : 'events'}</span>
                  <span className="grow" />
                  {!many && <Control name="Break down by" any="nothing" single free plain={address.by === undefined} picked={address.by === undefined ? [] : [address.by]} onPick={(values) => { go({ by: values.at(-1) }) }} choices={splits} />}
                  {!many && histogram.data && <span className="t3 nowrap">per {duration(histogram.data.width_ms)}</span>}
                </div>
                {problem ?? many ? null : (
                  <Loaded query={histogram} skeleton={<span className="skel" style={{ height: 96 }} />}>
                    {(page) => address.by !== undefined ? <Breakdown page={page} field={address.by} onBrush={(from, to) => { go({ from: from.toISOString(), to: to.toISOString() }) }} onPick={(value) => { actions.filter(address.by ?? '', numbers.has(kinds.get(address.by ?? '') ?? '') ? Number(value) : value, false) }} /> : <Histogram label="Events over time" bins={toBins(page)} interval={page.width_ms} onBrush={(from, to) => { go({ from: from.toISOString(), to: to.toISOString() }) }} />}
                  </Loaded>
                )}
              </div>
              <Loaded
                query={{ ...documents, data: pages === undefined || problem ? undefined : rows, error: problem ? null : documents.error, isPending: documents.isPending }}
                skeleton={problem ? <p className="empty">Mend the query, and its events stand here.</p> : <SkeletonRows rows={14} widths={[20, 90, 120, 60, 180, 140]} />}
                empty={<NothingFound address={address} go={go} />}
              >
                {() => (
                  <DataTable<Row>
                    label="Documents" name="documents" columns={tableColumns} rows={rows} rowKey={(row) => (isHead(row) ? row.head : row.id)}
                    sort={{ id: '@timestamp', desc: !oldest }} onSort={({ desc }) => { go({ sort: desc ? undefined : '@timestamp:asc' }) }}
                    current={address.doc} onOpen={(row) => { if (!isHead(row)) go({ doc: row.id }) }}
                    onEnd={() => { if (documents.hasNextPage && !documents.isFetchingNextPage) void documents.fetchNextPage() }}
                    group={(row) => (isHead(row) ? <b>{row.head} <span className="t3">{plural(row.count, 'event')}, in order</span></b> : undefined)}
                    narrow={(row) => (isHead(row) ? null : <NarrowDocument found={row} columns={columns} read={read} />)}
                    footer={(
                      <div className="table-foot">
                        <span>{many ? `${plural(total ?? 0, 'sequence')}, ${plural(loaded, 'event')}` : `Rows 1 to ${count(loaded)} of ${count(total ?? loaded)}, exact`}</span>
                        <span className="grow" />
                        {documents.hasNextPage && <button type="button" className="link" disabled={documents.isFetchingNextPage} onClick={() => { void documents.fetchNextPage() }}>More rows</button>}
                        {pages?.[0]?.inspect && <span className="tm">{Math.round(pages[0].inspect.milliseconds)} ms</span>}
                        <button type="button" className="btn quiet sm" onClick={() => { setDialog('inspect') }}><IconCode className="icon" size={14} /> Inspect</button>
                        {columns.length > 0 && <button type="button" className="btn quiet sm" onClick={() => { go({ columns: undefined }) }}>Summary instead of columns</button>}
                      </div>
                    )}
                  />
                )}
              </Loaded>
            </div>
            {address.doc !== undefined && (
              <DocumentFlyout id={address.doc} found={open} columns={columns} tab={address.tab ?? 'table'} go={go} place={at >= 0 ? `${at + 1} of ${count(total ?? rows.length)}` : undefined} />
            )}
          </div>
        </div>
        {dialog === 'rule' && <RuleForm language={language} query={language === 'kql' ? andKql(text, filtersKql(filters)) : text} start={span.from} end={span.to} onClose={() => { setDialog(undefined) }} />}
        {dialog === 'inspect' && <InspectDialog request={search} inspect={pages?.[0]?.inspect ?? null} onClose={() => { setDialog(undefined) }} />}
      </Page>
    </ValueActionsProvider>
  )
}

/** At least so wide that most values stand whole; the long ones share what is left. */
function widthsOf(field: string, values: readonly string[]): { width: number; weight: number } {
  const wanted = fit(values, { head: field, most: 900 })
  return { width: fit(values, { head: field, most: 150 }), weight: wanted }
}

/** The telling fields of a document in one line; toggling the first column takes its place. */
function Summary({ found }: { found: Found }) {
  const telling = TELLING.filter((field) => field in found.document)
  const rest = Object.keys(found.document).filter((field) => !telling.includes(field) && field !== '@timestamp' && field !== 'event.original' && !field.startsWith('tocsin.')).slice(0, 6)
  return (
    <span className="summary mono">
      {[...telling, ...rest].slice(0, 10).map((field) => <span key={field}><span className="t3">{field}</span> {asText(found.document[field]).slice(0, 200)}</span>)}
    </span>
  )
}

function NarrowDocument({ found, columns, read }: { found: Found; columns: readonly string[]; read: ReturnType<typeof useReader> }) {
  const shown = columns.length > 0 ? columns : TELLING
  return (
    <>
      <IconArrowsMaximize className="icon t3" size={14} />
      <b className="cut" style={{ fontWeight: 520 }}>{asText(found.document['event.dataset'])} {asText(found.document['event.action'])}</b>
      <span className="t3"><Time at={found.time} detail="clock" /></span>
      <span />
      <span className="t3 mono cut" style={{ gridColumn: '2 / 4' }}>{shown.map((field) => asText(read(found.document, field))).filter(Boolean).join('  ')}</span>
    </>
  )
}

interface DocumentFlyoutProps {
  id: string
  found: Found | undefined
  columns: readonly string[]
  tab: 'table' | 'json'
  go: (change: Partial<DiscoverAddress>) => void
  place: string | undefined
}

function DocumentFlyout({ id, found, columns, tab, go, place }: DocumentFlyoutProps) {
  const navigate = useNavigate()
  const asked = useDocument('events', found ? undefined : id)
  const document = found ?? asked.data
  const title = document ? asText(document.document['event.action'] ?? document.document['event.dataset']) : 'Event'
  return (
    <Flyout
      label="Document" name="document" width={420} onClose={() => { go({ doc: undefined, tab: undefined }) }}
      head={<><b className="cut" style={{ fontSize: 14 }}>{title || 'Event'}</b>{document && <span className="t3 nowrap"><Time at={document.time} /></span>}<span className="grow" />{place !== undefined && <span className="t3 nowrap only-wide">{place}</span>}</>}
      foot={document && (
        <>
          <button type="button" className="btn primary" onClick={() => { void navigate({ to: '/analyzer', search: { event: document.id } }) }}><IconBinaryTree2 className="icon" size={14} /> Analyze event</button>
          <button type="button" className="btn" onClick={() => {
            const time = Date.parse(document.time)
            const host = document.document['host.name']
            go({ q: undefined, filters: typeof host === 'string' ? [{ field: 'host.name', value: host }] : undefined, from: new Date(time - 60_000).toISOString(), to: new Date(time + 60_000).toISOString(), sort: '@timestamp:asc' })
          }}>Surrounding events</button>
        </>
      )}
    >
      <Loaded query={{ data: document, error: asked.error, isPending: asked.isPending, refetch: asked.refetch }} skeleton={<SkeletonText lines={6} />}>
        {(data) => (
          <>
            <Tabs label="Parts of the document" value={tab} onChange={(next) => { go({ tab: next === 'table' ? undefined : next }) }} choices={[{ value: 'table', label: 'Table', count: Object.keys(data.document).length }, { value: 'json', label: 'JSON' }]} />
            {tab === 'table' ? <DocumentFields document={data.document} pinned={columns} /> : <DocumentJson document={data.document} />}
          </>
        )}
      </Loaded>
    </Flyout>
  )
}

function NothingFound({ address, go }: { address: DiscoverAddress; go: (change: Partial<DiscoverAddress>) => void }) {
  const filters = address.filters?.filter(({ off }) => !off) ?? []
  return (
    <Empty
      title="No event matches."
      actions={<>
        {filters.length > 0 && <button type="button" className="btn primary" onClick={() => { go({ filters: filters.map((filter) => ({ ...filter, off: true })) }) }}>Turn {plural(filters.length, 'filter')} off</button>}
        <button type="button" className={filters.length > 0 ? 'btn' : 'btn primary'} onClick={() => { go({ from: 'now-30d', to: 'now' }) }}>Search 30 days</button>
        {address.q !== undefined && <button type="button" className="btn" onClick={() => { go({ q: undefined }) }}>Clear the query</button>}
      </>}
    >
      {filters.length > 0 ? 'A filter is in the way, or the span of time is too short.' : 'The span of time may be too short, or the query too narrow.'}
    </Empty>
  )
}
