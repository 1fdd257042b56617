import { describe, expect, it } from 'vitest'

import { alertsAddress, analyzerAddress, discoverAddress, rulesAddress } from './addresses'

describe('what somebody types into the address bar', () => {
  it('is kept when it means something', () => {
    expect(discoverAddress({ q: 'a: 1', lang: 'eql', columns: ['x', 'y'], filters: [{ field: 'a', value: 1 }], renew: 30, sort: '@timestamp:asc' })).toEqual({ q: 'a: 1', lang: 'eql', columns: ['x', 'y'], filters: [{ field: 'a', value: 1 }], renew: 30, sort: '@timestamp:asc' })
    expect(alertsAddress({ severity: ['high', 'critical'], host: 'WS-07', status: ['any'], blocks: true })).toEqual({ severity: ['high', 'critical'], host: ['WS-07'], status: ['any'], blocks: true })
  })

  it('is left out when it does not', () => {
    expect(discoverAddress({ q: {}, lang: 'sql', columns: [{}], filters: 'x', renew: -3, doc: null, tab: '../../x' })).toEqual({})
    expect(alertsAddress({ severity: ['huge'], blocks: 'yes', status: 3 })).toEqual({ severity: [], status: [] })
    expect(analyzerAddress({ all: 1, alert: [] })).toEqual({})
    expect(rulesAddress({ find: 5 })).toEqual({ find: '5' })
  })
})
