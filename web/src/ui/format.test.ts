import { describe, expect, it } from 'vitest'

import { asText, bytes, count, flatten, initials, percent, plural, rate, safeHref, splitForMiddle } from './format'

describe('numbers', () => {
  it('are exact', () => {
    expect(count(48216)).toBe('48,216')
    expect(plural(1, 'alert')).toBe('1 alert')
    expect(plural(0, 'process', 'processes')).toBe('0 processes')
    expect(bytes(18_400)).toBe('18.4 KB')
    expect(bytes(0)).toBe('0 B')
    expect(percent(0.00001)).toBe('<0.01 %')
    expect(percent(0.415)).toBe('41.5 %')
    expect([rate(0), rate(0.02), rate(9.21), rate(212.4)]).toEqual(['0', '<0.1', '9.2', '212'])
  })
})

describe('values', () => {
  it('become text whatever they are', () => {
    expect(asText(null)).toBe('')
    expect(asText(['a', ['b', null], 0])).toBe('a, b, , 0')
    expect(asText({ a: 1 })).toBe('{"a":1}')
    expect(asText(false)).toBe('false')
  })

  it('are flattened, lists kept, depth bounded', () => {
    expect(flatten({ a: { b: { c: 1 } }, 'd.e': [1, 2], f: null })).toEqual({ 'a.b.c': 1, 'd.e': [1, 2], f: null })
    let deep: Record<string, unknown> = { end: 1 }
    for (let n = 0; n < 5000; n += 1) deep = { a: deep }
    expect(Object.keys(flatten(deep))).toHaveLength(1)
  })

  it('give way in the middle', () => {
    expect(splitForMiddle('short')).toEqual(['short', ''])
    const [head, tail] = splitForMiddle('C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe')
    expect(tail).toBe('powershell.exe')
    expect(head + tail).toBe('C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe')
  })

  it.each(['javascript:alert(1)', 'data:text/html,x', 'vbscript:x', ' java\nscript:alert(1)', '//evil.example', 'file:///etc/passwd', ''])('%j is no link', (text) => {
    expect(safeHref(text)).toBeUndefined()
  })

  it('are links when they are of the web', () => {
    expect(safeHref('https://attack.mitre.org/x')).toBe('https://attack.mitre.org/x')
  })

  it('have initials', () => {
    expect([initials('Mira Kovac'), initials('jdoe'), initials('svc-backup')]).toEqual(['MK', 'JD', 'SB'])
  })
})
