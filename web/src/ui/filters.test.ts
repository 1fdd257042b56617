import { describe, expect, it } from 'vitest'

import { addFilter, andKql, filterKql, filterWords, filtersKql, quoteKql, readFilters, toApi, type Filter } from './filters'

describe('a value in KQL', () => {
  it.each([
    ['zeek.http', 'zeek.http'],
    ['WS-07', 'WS-07'],
    ['and', '"and"'],
    ['NOT', '"NOT"'],
    ['two words', '"two words"'],
    ['C:\\Users', '"C:\\\\Users"'],
    ['say "hi"', '"say \\"hi\\""'],
    ['::1', '"::1"'],
    ['*', '"*"'],
    ['', '""'],
    ['a) or (b', '"a) or (b"'],
  ])('%j is written %s', (value, expected) => {
    expect(quoteKql(value)).toBe(expected)
  })

  it('leaves numbers and booleans as they are', () => {
    expect(quoteKql(8000)).toBe('8000')
    expect(quoteKql(false)).toBe('false')
  })
})

describe('pills', () => {
  it('say what they stand for', () => {
    const cases: [Filter, string][] = [
      [{ field: 'host.name', value: 'WS-07' }, 'host.name: WS-07'],
      [{ field: 'host.name', value: 'WS-07', not: true }, 'not host.name: WS-07'],
      [{ field: 'user.name', op: 'exists' }, 'user.name: *'],
      [{ field: 'url.extension', op: 'is_one_of', value: ['bat', 'cmd'] }, 'url.extension: (bat or cmd)'],
      [{ field: 'destination.port', op: 'between', value: [8000, 9000] }, '(destination.port >= 8000 and destination.port <= 9000)'],
    ]
    for (const [filter, expected] of cases) expect(filterKql(filter)).toBe(expected)
    expect(filterWords({ field: 'a', op: 'between', value: [1, 2] })).toBe('1 to 2')
  })

  it('that are off don’t count in the query, and go to the server disabled', () => {
    const filters: Filter[] = [{ field: 'a', value: 1 }, { field: 'b', value: 'x', off: true }]
    expect(filtersKql(filters)).toBe('a: 1')
    expect(toApi(filters)).toEqual([
      { field: 'a', operator: 'is', value: 1, negate: false, disabled: false },
      { field: 'b', operator: 'is', value: 'x', negate: false, disabled: true },
    ])
  })

  it('join a query without changing its meaning', () => {
    expect(andKql('', 'a: 1')).toBe('a: 1')
    expect(andKql('a: 1 or b: 2', 'c: 3')).toBe('(a: 1 or b: 2) and c: 3')
    expect(andKql('a: 1', '')).toBe('a: 1')
  })

  it('replace their opposite instead of standing beside it', () => {
    const once = addFilter([], { field: 'a', value: 'x' })
    expect(addFilter(once, { field: 'a', value: 'x', not: true })).toEqual([{ field: 'a', value: 'x', not: true }])
  })

  it('are read from an address that anybody may have typed', () => {
    expect(readFilters('x')).toEqual([])
    expect(readFilters([null, 1, {}, { field: '' }, { field: 'a', value: { $gt: 1 } }, { field: 'b', value: ['x', {}], op: 'drop table' }])).toEqual([{ field: 'a' }, { field: 'b', value: ['x'] }])
  })
})
