import { describe, expect, it } from 'vitest'

import { ApiError } from '../api/client'
import { around } from './around'
import { toBins, toSeries, toSeverityBins } from './bins'
import { isRare } from './howcommon'
import { plain, valueOf } from './parts'
import { problemOf } from './problem'

describe('histograms', () => {
  const page = { start: '2026-11-12T00:00:00Z', width_ms: 60_000, counts: { critical: [1, 0], high: [2, 3] }, total: 6 }
  it('add up their series, and keep severities apart', () => {
    expect(toBins(page).map(({ count }) => count)).toEqual([3, 3])
    expect(toSeverityBins(page)[0]?.parts).toEqual({ critical: 1, high: 2 })
    expect(toBins({ ...page, counts: {} })).toEqual([])
  })
  it('are broken down by value, the commonest first and the rest last', () => {
    const { bins, series } = toSeries({ ...page, counts: { '': [9, 9], '"x': [0, 1], dns: [4, 0] } })
    expect(series).toEqual([{ name: 'dns', count: 4 }, { name: '"x', count: 1 }, { name: '', count: 18 }])
    expect(bins[0]).toMatchObject({ count: 13, parts: { dns: 4, '"x': 0, '': 9 } })
    expect(toSeries({ ...page, counts: { '': [0, 0] } }).series).toEqual([])
  })
})

describe('a value', () => {
  it('is rare below one host in ten, and among a few hosts nothing is', () => {
    expect([isRare(1, 11), isRare(1, 10), isRare(0, 9), isRare(212, 212)]).toEqual([true, false, false, false])
  })
})

describe('a refused query', () => {
  it('is shown at its place', () => {
    const error = new ApiError(400, { title: 'x', problems: [{ what: 'what', line: 2, column: 3, length: 1, hint: 'hint' }] })
    expect(problemOf(error)).toEqual({ message: 'what', line: 2, column: 3, hint: 'hint' })
  })
  it('is none when the server is down or somebody is not signed in', () => {
    expect(problemOf(new ApiError(503, { title: 'x' }))).toBeUndefined()
    expect(problemOf(new ApiError(401, { title: 'x' }))).toBeUndefined()
    expect(problemOf(new ApiError(0, {}))).toBeUndefined()
    expect(problemOf(null)).toBeUndefined()
  })
})

describe('around an alert', () => {
  it('is its host, five minutes both ways; without one its client', () => {
    expect(around({ time: '2026-11-12T14:32:15.402Z', document: { 'host.name': ['WS-07'], 'source.ip': '10.0.0.107' } })).toMatchObject({ from: '2026-11-12T14:27:15.402Z', to: '2026-11-12T14:37:15.402Z', filters: [{ field: 'host.name', value: 'WS-07' }] })
    expect(around({ time: '2026-11-12T14:32:15.402Z', document: { 'source.ip': '10.0.0.107' } }).filters).toEqual([{ field: 'source.ip', value: '10.0.0.107' }])
  })
})

describe('parts of a sentence', () => {
  const parts = [{ text: 'port ', field: null, value: null }, { text: '4444', field: 'destination.port', value: 4444 }]
  it('keep the value that a noun stands for', () => {
    expect(plain(parts)).toBe('port 4444')
    expect(valueOf(parts, { text: '4444', field: 'destination.port' })).toBe(4444)
    expect(valueOf(parts, { text: 'gone' })).toBe('gone')
  })
})
