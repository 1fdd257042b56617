import { describe, expect, it } from 'vitest'

import { duration, formatInTable, formatTime, parseMoment, relative, resolveSpan, spanLabel } from './time'

const NOW = new Date('2026-11-12T14:47:10.500Z')
const iso = (text: string, upper = false) => parseMoment(text, NOW, upper)?.toISOString()

describe('one end of a span', () => {
  it.each([
    ['now', '2026-11-12T14:47:10.500Z'],
    ['now-15m', '2026-11-12T14:32:10.500Z'],
    ['now+1d', '2026-11-13T14:47:10.500Z'],
    ['now/d', '2026-11-12T00:00:00.000Z'],
    ['now/w', '2026-11-09T00:00:00.000Z'],
    ['now-1M/M', '2026-10-01T00:00:00.000Z'],
    ['now/y', '2026-01-01T00:00:00.000Z'],
    ['2026-11-12', '2026-11-12T00:00:00.000Z'],
    ['2026-11-12 14:30', '2026-11-12T14:30:00.000Z'],
    ['2026-11-12T14:30:00.123456Z', '2026-11-12T14:30:00.123Z'],
    ['2026-11-12T14:30:00+01:00', '2026-11-12T13:30:00.000Z'],
  ])('reads %s', (text, expected) => {
    expect(iso(text)).toBe(expected)
  })

  it.each(['', 'yesterday', 'now-', 'now-5', 'now-5x', 'now-99999999d', '2026-13-45', '12/11/2026', '<script>', 'now/'])('refuses %j', (text) => {
    expect(iso(text)).toBeUndefined()
  })

  it('rounds an upper end to the last moment of its unit', () => {
    expect(iso('now/d', true)).toBe('2026-11-12T23:59:59.999Z')
  })
})

describe('a span', () => {
  it('falls back to 24 hours where an end says nothing, and turns when it is upside down', () => {
    expect(resolveSpan({ from: 'nonsense', to: 'now' }, NOW).from.toISOString()).toBe('2026-11-11T14:47:10.500Z')
    const turned = resolveSpan({ from: 'now', to: 'now-1h' }, NOW)
    expect(turned.from.getTime()).toBeLessThan(turned.to.getTime())
  })

  it('has a name', () => {
    expect(spanLabel({ from: 'now-24h', to: 'now' }, 'UTC')).toBe('Last 24 hours')
    expect(spanLabel({ from: 'now-3h', to: 'now' }, 'UTC')).toBe('Last 3 hours')
    expect(spanLabel({ from: 'now-1m', to: 'now' }, 'UTC')).toBe('Last 1 minute')
    expect(spanLabel({ from: '2026-11-12T14:30:00Z', to: 'now' }, 'UTC')).toBe('12 Nov 14:30 to now')
  })
})

describe('a moment', () => {
  it('is the clock today, with its day before, whole in another year', () => {
    expect(formatInTable(new Date('2026-11-12T14:32:15.402Z'), 'UTC', NOW)).toBe('14:32:15.402')
    expect(formatInTable(new Date('2026-11-11T14:32:15.402Z'), 'UTC', NOW)).toBe('11 Nov 14:32:15.402')
    expect(formatInTable(new Date('1601-01-01T00:00:00Z'), 'UTC', NOW)).toBe('1601-01-01 00:00:00.000')
  })

  it('never writes NaN', () => {
    expect(formatTime(new Date('nonsense'), 'UTC', 'full')).toBe('no time')
    expect(duration(Number.NaN)).toBe('–')
  })

  it.each([[280, '0.28 s'], [7340, '7.34 s'], [19_105, '19.1 s'], [45_000, '45 s'], [75_000, '1 min 15 s'], [900_000, '15 min'], [4_800_000, '1 h 20'], [3 * 86_400_000, '3 days'], [0, '0 s']])('lasts %d ms as %s', (ms, expected) => {
    expect(duration(ms)).toBe(expected)
  })

  it('is so long ago', () => {
    expect(relative(new Date(NOW.getTime() - 900_000), NOW)).toBe('15 min ago')
    expect(relative(new Date(NOW.getTime() + 3 * 86_400_000), NOW)).toBe('in 3 days')
    expect(relative(NOW, NOW)).toBe('now')
  })
})
