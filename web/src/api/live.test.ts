import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { gathered, read } from './live'

describe('live updates', () => {
  beforeEach(() => { vi.useFakeTimers() })
  afterEach(() => { vi.useRealTimers() })

  it('of a burst are asked for once, each name once', () => {
    const asked: (readonly string[])[] = []
    const stale = gathered((names) => { asked.push(names) }, 500)
    for (let n = 0; n < 1000; n += 1) stale('alerts', 'status')
    expect(asked).toEqual([])
    vi.advanceTimersByTime(500)
    expect(asked).toEqual([['alerts', 'status']])
    stale('incidents')
    vi.advanceTimersByTime(500)
    expect(asked).toEqual([['alerts', 'status'], ['incidents']])
    stale()
    vi.advanceTimersByTime(500)
    expect(asked).toHaveLength(2)
  })

  it('are read whatever stands in them', () => {
    expect(read('{"id":"a","shown":true}')).toEqual({ id: 'a', shown: true })
    expect(read('{"id":"a"}')).toEqual({ id: 'a' })
    for (const data of ['', '{', '{"id":1,"shown":"yes"}', '[]', '"x"']) expect(read(data)).toEqual({})
  })
})
