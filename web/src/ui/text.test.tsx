import { fireEvent, render, screen } from '@testing-library/react'
import { describe, expect, it, vi } from 'vitest'

import { Code, flow, markPieces, nounsOf, Prose, Sentence } from './text'

describe('marks', () => {
  it('cover what matched, letter case aside, and join where they overlap', () => {
    expect(markPieces('xNEW-Object y', ['new-object', 'object y'])).toEqual([{ text: 'x', marked: false }, { text: 'NEW-Object y', marked: true }])
    expect(markPieces('abc', [])).toEqual([{ text: 'abc', marked: false }])
    expect(markPieces('', ['a'])).toEqual([{ text: '', marked: false }])
    expect(markPieces('aaa', ['', 'a']).map(({ text }) => text).join('')).toBe('aaa')
  })
})

describe('a sentence', () => {
  it('finds its nouns: whole words, the longest first', () => {
    expect(nounsOf('shell.bat on WS-07 ran shell', { 'file.name': 'shell.bat', 'process.name': 'shell', 'host.name': 'WS-07', 'user.name': 'o' })).toEqual([
      { field: 'file.name', text: 'shell.bat' }, ' on ', { field: 'host.name', text: 'WS-07' }, ' ran ', { field: 'process.name', text: 'shell' },
    ])
  })

  it('tells which noun was picked, and whether Alt was held', () => {
    const pick = vi.fn()
    render(<Sentence parts={['On ', { text: 'WS-07', field: 'host.name' }]} onPick={pick} />)
    fireEvent.click(screen.getByRole('button', { name: 'WS-07' }), { altKey: true })
    expect(pick).toHaveBeenCalledWith({ text: 'WS-07', field: 'host.name' }, true)
    fireEvent.keyDown(screen.getByRole('button', { name: 'WS-07' }), { key: 'Enter' })
    expect(pick).toHaveBeenCalledTimes(2)
  })
})

describe('prose', () => {
  it('flows as one paragraph, and leaves lists and indented lines alone', () => {
    expect(flow('one\ntwo  \n three')).toBe('one two three')
    expect(flow('do:\n- this\n- that\n1. first')).toBe('do:\n- this\n- that\n1. first')
    expect(flow('as in\n    code\n    more')).toBe('as in\n    code\n    more')
  })

  it('sets code apart, and shows markup as text', () => {
    render(<Prose text={'The line `$c=1`\ncounts.\n\n<b>bold</b>'} />)
    expect(screen.getByText('$c=1').tagName).toBe('CODE')
    expect(document.querySelectorAll('p.prose')).toHaveLength(2)
    expect(document.querySelector('p b')).toBeNull()
  })
})

describe('code', () => {
  it('shows markup of a log as text', () => {
    const hostile = '<img src=x onerror=alert(1)>'
    render(<Code text={hostile} label="sample" marks={['src']} />)
    expect(screen.getByRole('region', { name: 'sample' }).textContent).toBe(hostile)
    expect(document.querySelector('img')).toBeNull()
  })
})
