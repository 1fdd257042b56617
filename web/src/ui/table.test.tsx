import { MantineProvider } from '@mantine/core'
import { fireEvent, render, screen, within } from '@testing-library/react'
import { beforeAll, describe, expect, it, vi } from 'vitest'

import { DataTable, fit, type Column } from './table'

interface Row {
  id: string
  name: string
  size: number
}
const columns: readonly Column<Row>[] = [
  { id: 'name', header: 'Name', width: 100, grow: true, sortBy: (row) => row.name, cell: (row) => row.name },
  { id: 'size', header: 'Size', width: 50, numeric: true, sortBy: (row) => row.size, cell: (row) => row.size },
]
const rows: readonly Row[] = [{ id: '1', name: 'b', size: 10 }, { id: '2', name: 'a', size: 9 }, { id: '3', name: 'c', size: 100 }]

// jsdom lays nothing out: the list takes its size from here.
beforeAll(() => {
  vi.spyOn(Element.prototype, 'clientHeight', 'get').mockReturnValue(600)
  vi.spyOn(Element.prototype, 'clientWidth', 'get').mockReturnValue(800)
})

function draw(props: Partial<Parameters<typeof DataTable<Row>>[0]> = {}) {
  return render(<MantineProvider><DataTable<Row> label="Things" name="test" columns={columns} rows={rows} rowKey={({ id }) => id} {...props} /></MantineProvider>)
}
const names = () => screen.getAllByRole('row').slice(1).map((row) => within(row).getAllByRole('gridcell').map((cell) => cell.textContent).join(' '))

describe('a table', () => {
  it('sorts numbers as numbers', () => {
    draw({ sort: { id: 'size', desc: false } })
    expect(names()).toEqual(['a 9', 'b 10', 'c 100'])
    expect(screen.getByRole('columnheader', { name: /Size/ }).getAttribute('aria-sort')).toBe('ascending')
  })

  it('opens a row by click and by Enter', () => {
    const open = vi.fn<(row: Row) => void>()
    draw({ onOpen: open })
    fireEvent.click(screen.getByText('b'))
    fireEvent.keyDown(screen.getAllByRole('row')[2] as HTMLElement, { key: 'Enter' })
    expect(open.mock.calls.map(([row]) => row.id)).toEqual(['1', '2'])
  })

  it('walks with j and k', () => {
    const open = vi.fn<(row: Row) => void>()
    draw({ onOpen: open, current: '2' })
    fireEvent.keyDown(document.body, { key: 'j' })
    fireEvent.keyDown(document.body, { key: 'k' })
    expect(open.mock.calls.map(([row]) => row.id)).toEqual(['3', '1'])
  })

  it('selects one and all', () => {
    const select = vi.fn<(keys: ReadonlySet<string>) => void>()
    draw({ selected: new Set(['1']), onSelect: select })
    fireEvent.click(screen.getByRole('checkbox', { name: 'Select row 2' }))
    fireEvent.click(screen.getByRole('checkbox', { name: 'Select all rows' }))
    expect(select.mock.calls.map(([keys]) => [...keys])).toEqual([['1', '2'], ['1', '2', '3']])
  })
})

describe('the width of a column', () => {
  it('is that of what stands in it, between two bounds, and of its head', () => {
    expect(fit(['a'], { least: 64 })).toBe(64)
    expect(fit(['24 Nov 23:59:59.999'])).toBeGreaterThan(fit(['23:59:59.999']))
    expect(fit(['x'.repeat(1000)], { most: 150 })).toBe(150)
    expect(fit([], { head: 'http.response.code', least: 40 })).toBeGreaterThan(100)
  })
})
