/** A table of any length: virtual rows, columns to resize and sort, rows to open and select, two-line rows when narrow. */
import { useMediaQuery } from '@mantine/hooks'
import { IconArrowDown, IconArrowUp } from '@tabler/icons-react'
import { createSortedRowModel, rowSortingFeature, sortFn_basic, tableFeatures, useTable, type ColumnDef } from '@tanstack/react-table'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useMemo, useRef, useState, type CSSProperties, type KeyboardEvent, type ReactNode } from 'react'

import { useKeys } from './keys'
import { usePrefs, recall, remember, type Density } from './prefs'

export interface Column<Row> {
  id: string
  header: ReactNode
  /** Pixels; `grow` columns share what is left and take at least this much. */
  width: number
  grow?: boolean
  /** How much of the rest a `grow` column takes beside others; its width where nothing is said. */
  weight?: number
  numeric?: boolean
  /** What to sort by here; true when the server sorts. */
  sortBy?: true | ((row: Row) => string | number)
  cell: (row: Row) => ReactNode
}

export interface Sort {
  id: string
  desc: boolean
}

interface DataTableProps<Row> {
  label: string
  /** Widths are remembered under this name. */
  name: string
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  rowKey: (row: Row) => string
  sort?: Sort | undefined
  onSort?: (sort: Sort) => void
  selected?: ReadonlySet<string>
  onSelect?: (keys: ReadonlySet<string>) => void
  /** The row that is open at the side. */
  current?: string | undefined
  onOpen?: (row: Row) => void
  /** Two lines for narrow screens: mark, first line, right; then the second line. */
  narrow?: (row: Row) => ReactNode
  /** Not a row but the head of a group: drawn over the whole width. */
  group?: (row: Row) => ReactNode | undefined
  /** Buttons at the row's right edge, on hover and on focus. */
  actions?: (row: Row) => ReactNode
  density?: Density
  /** Called when the last rows come in sight. */
  onEnd?: () => void
  /** Whether rows should stay where they are: the pointer or the focus is on them, or they are scrolled. */
  onReading?: (reading: boolean) => void
  footer?: ReactNode
  /** Plain rows of a given height instead of the density's. */
  rowHeight?: number
}

const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel(), sortFns: { basic: sortFn_basic } })
type Features = typeof features

const HEIGHT: Record<Density, number> = { compact: 26, normal: 30, relaxed: 36 }
const NARROW_ROW = 57

/** Draws rows; sorts them itself when the sorted column says by what, else tells `onSort`. */
export function DataTable<Row extends object>(props: DataTableProps<Row>) {
  const { label, name, columns, rows, rowKey, sort, onSort, selected, onSelect, current, onOpen, group, narrow, actions, onEnd, onReading, footer, rowHeight } = props
  const prefs = usePrefs()
  const density = props.density ?? prefs.density
  const isNarrow = useMediaQuery('(max-width: 700px)', false, { getInitialValueInEffect: false }) && narrow !== undefined
  const scroller = useRef<HTMLDivElement>(null)
  const [widths, setWidths] = useState<Record<string, number>>(() => recall(`columns.${name}`, {}))

  const definitions = useMemo(
    () => columns.map((column): ColumnDef<Features, Row> => ({ id: column.id, accessorFn: typeof column.sortBy === 'function' ? column.sortBy : () => '', sortFn: 'basic' })),
    [columns],
  )
  const sorting = useMemo(() => (sort ? [{ id: sort.id, desc: sort.desc }] : []), [sort])
  const sortedColumn = columns.find(({ id }) => id === sort?.id)
  const table = useTable({ features, columns: definitions, data: rows, getRowId: rowKey, state: { sorting }, manualSorting: typeof sortedColumn?.sortBy !== 'function' })
  const shown = table.getRowModel().rows

  const height = rowHeight ?? HEIGHT[density]
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => {
      const row = shown[index]?.original
      return row && group?.(row) !== undefined ? 34 : isNarrow ? NARROW_ROW : height
    },
    overscan: 12,
    initialRect: { width: 1200, height: 800 },
  })
  useEffect(() => { virtual.measure() }, [virtual, height, isNarrow, shown])

  const items = virtual.getVirtualItems()
  const last = items.at(-1)?.index ?? -1
  useEffect(() => { if (shown.length > 0 && last >= shown.length - 1) onEnd?.() }, [last, shown.length, onEnd])

  const template = [onSelect && !isNarrow ? '40px' : '', ...columns.map(({ id, width, grow, weight = width }) => (widths[id] !== undefined ? `${widths[id]}px` : grow ? `minmax(${width}px, ${weight}fr)` : `${width}px`)), actions ? '0px' : ''].filter(Boolean).join(' ')
  const style: CSSProperties = { gridTemplateColumns: template }
  const least = columns.reduce((sum, { id, width }) => sum + (widths[id] ?? width), onSelect ? 40 : 0)

  const openable = useMemo(() => shown.filter(({ original }) => group?.(original) === undefined), [shown, group])
  const step = (by: number) => {
    if (!onOpen || openable.length === 0) return false
    const at = openable.findIndex(({ id }) => id === current)
    const next = openable[at < 0 ? 0 : Math.min(openable.length - 1, Math.max(0, at + by))]
    if (!next) return false
    virtual.scrollToIndex(shown.indexOf(next))
    onOpen(next.original)
    return true
  }
  const toggle = (key: string) => {
    if (!onSelect || !selected) return
    const keys = new Set(selected)
    if (!keys.delete(key)) keys.add(key)
    onSelect(keys)
  }
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    x: () => (current !== undefined && onSelect ? (toggle(current), true) : false),
  })

  const rowKeys = (event: KeyboardEvent<HTMLDivElement>, row: Row, index: number) => {
    if (event.target !== event.currentTarget) return
    if (event.key === 'Enter' && onOpen) onOpen(row)
    else if (event.key === ' ' && onSelect) toggle(rowKey(row))
    else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      const by = event.key === 'ArrowDown' ? 1 : -1
      virtual.scrollToIndex(index + by)
      scroller.current?.querySelector<HTMLElement>(`[data-index="${index + by}"]`)?.focus()
    } else return
    event.preventDefault()
  }
  const all = openable.length > 0 && openable.every(({ id }) => selected?.has(id))
  const some = !all && openable.some(({ id }) => selected?.has(id))

  return (
    <div className={`table ${density}`}>
      <div
        className="table-scroll" ref={scroller}
        onPointerEnter={() => onReading?.(true)} onPointerLeave={(event) => onReading?.(event.currentTarget.scrollTop > 0)}
        onFocus={() => onReading?.(true)} onBlur={(event) => onReading?.(event.currentTarget.scrollTop > 0)} onScroll={(event) => { if (event.currentTarget.scrollTop > 0) onReading?.(true) }}
      >
        <div className="table-in" style={isNarrow ? undefined : { minWidth: least }} role="grid" aria-label={label} aria-rowcount={shown.length + 1} aria-multiselectable={onSelect ? true : undefined}>
          {!isNarrow && (
            <div role="rowgroup" style={{ display: 'contents' }}>
              <div className="thead" role="row" style={style}>
                {onSelect && (
                  <div className="th" role="columnheader">
                    <input type="checkbox" className="check" aria-label="Select all rows" checked={all} ref={(box) => { if (box) box.indeterminate = some }} onChange={() => { onSelect(all ? new Set() : new Set(openable.map(({ id }) => id))) }} />
                  </div>
                )}
                {columns.map((column) => {
                  const active = sort?.id === column.id
                  return (
                    <div key={column.id} className={column.numeric ? 'th num' : 'th'} role="columnheader" aria-sort={active ? (sort.desc ? 'descending' : 'ascending') : undefined}>
                      {column.sortBy !== undefined && onSort ? (
                        <button type="button" onClick={() => { onSort({ id: column.id, desc: active ? !sort.desc : column.numeric === true || column.id === '@timestamp' }) }}>
                          <span className="cut">{column.header}</span>
                          {active && (sort.desc ? <IconArrowDown className="icon" size={12} /> : <IconArrowUp className="icon" size={12} />)}
                        </button>
                      ) : <span className="cut">{column.header}</span>}
                      <Grip
                        width={widths[column.id] ?? column.width}
                        onResize={(width) => {
                          const next = { ...widths, [column.id]: width }
                          setWidths(next)
                          remember(`columns.${name}`, next)
                        }}
                      />
                    </div>
                  )
                })}
              </div>
            </div>
          )}
          <div role="rowgroup" className={isNarrow ? 'lines' : undefined} style={isNarrow ? { position: 'relative', height: virtual.getTotalSize() } : { height: virtual.getTotalSize(), position: 'relative' }}>
            {items.map((item) => {
              const row = shown[item.index]
              if (!row) return null
              const head = group?.(row.original)
              const place: CSSProperties = { position: 'absolute', top: 0, left: 0, right: 0, transform: `translateY(${item.start}px)` }
              if (head !== undefined) {
                return <div key={row.id} className="tr group" role="row" style={place} data-index={item.index}><div role="gridcell" className="row grow">{head}</div></div>
              }
              const common = {
                role: 'row', 'data-index': item.index, 'data-key': row.id, tabIndex: 0,
                'aria-current': row.id === current ? ('true' as const) : undefined,
                'aria-selected': onSelect ? selected?.has(row.id) === true : undefined,
                onClick: onOpen ? () => { onOpen(row.original) } : undefined,
                onKeyDown: (event: KeyboardEvent<HTMLDivElement>) => { rowKeys(event, row.original, item.index) },
              }
              if (isNarrow) return <div key={row.id} {...common} style={{ ...place, height: NARROW_ROW }}><div role="gridcell" style={{ display: 'contents' }}>{narrow(row.original)}</div></div>
              return (
                <div key={row.id} className="tr" {...common} style={{ ...place, ...style, height: item.size }}>
                  {onSelect && (
                    <div className="td" role="gridcell" onClick={(event) => { event.stopPropagation() }}>
                      <input type="checkbox" className="check" aria-label={`Select row ${item.index + 1}`} checked={selected?.has(row.id) === true} onChange={() => { toggle(row.id) }} />
                    </div>
                  )}
                  {columns.map((column) => <div key={column.id} className={column.numeric ? 'td num' : 'td'} role="gridcell">{column.cell(row.original)}</div>)}
                  {actions && <div role="gridcell" className="row-actions" onClick={(event) => { event.stopPropagation() }}><span className="cell-menu">{actions(row.original)}</span></div>}
                </div>
              )
            })}
          </div>
        </div>
      </div>
      {footer}
    </div>
  )
}

/** The edge of a column: drag it. */
function Grip({ width, onResize }: { width: number; onResize: (width: number) => void }) {
  const start = useRef<{ x: number; width: number } | undefined>(undefined)
  return (
    <span
      aria-hidden="true" style={{ position: 'absolute', right: 0, top: 4, bottom: 4, width: 7, cursor: 'col-resize', touchAction: 'none' }}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        start.current = { x: event.clientX, width: event.currentTarget.parentElement?.getBoundingClientRect().width ?? width }
      }}
      onPointerMove={(event) => { if (start.current) onResize(Math.max(40, Math.round(start.current.width + event.clientX - start.current.x))) }}
      onPointerUp={() => { start.current = undefined }}
    />
  )
}

/** Pixels that the longest of some texts takes in a cell, between two bounds; a head may ask for more. */
export function fit(texts: Iterable<string>, { least = 56, most = 400, head = '' }: { least?: number; most?: number; head?: string } = {}): number {
  let longest = 0
  for (const text of texts) longest = Math.max(longest, text.length)
  const cut = head.lastIndexOf('.')
  const named = Math.max(head.length - cut - 1, (cut + 1) * 0.85)
  return Math.ceil(Math.max(least, named * 7.2 + 20, Math.min(most, longest * 7.2 + 20)))
}

/** A dotted field as a column's head: prefix small, last part strong. */
export function FieldHead({ field }: { field: string }) {
  const cut = field.lastIndexOf('.')
  return cut < 0 ? <span className="two">{field}</span> : <span className="two"><small>{field.slice(0, cut + 1)}</small>{field.slice(cut + 1)}</span>
}
