import { act, fireEvent, render, screen } from '@testing-library/react'
import { useState } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import type { Graph, GraphNode } from './graph'
import { Replay, stepsOf } from './replay'

const node = (id: string, start: string | undefined, change: Partial<GraphNode> = {}): GraphNode => ({ id, kind: 'process', name: `${id}.exe`, sub: '', host: 'h', start, alerts: [], counts: {}, path: false, trigger: false, near: false, joined: false, ...change })
const at = (second: number) => `2026-11-12T14:32:${String(second).padStart(2, '0')}Z`
const story: Graph = {
  nodes: [node('late', at(9), { path: true }), node('script', at(1), { kind: 'script', path: true }), node('shell', at(1), { path: true }), node('aside', at(2)), node('untimed', undefined, { path: true }), node('wrong', 'no time', { near: true })],
  edges: [],
}

describe('a replay', () => {
  beforeEach(() => { vi.useFakeTimers() })
  afterEach(() => { vi.useRealTimers() })

  it('tells the story in order of time, a script after its shell', () => {
    expect(stepsOf(story).map(({ node: { id } }) => id)).toEqual(['shell', 'script', 'late'])
    expect(stepsOf({ nodes: [node('b', at(2)), node('a', at(1))], edges: [] }).map(({ node: { id } }) => id)).toEqual(['a', 'b'])
    expect(stepsOf({ nodes: [], edges: [] })).toEqual([])
  })

  function Held() {
    const [index, setIndex] = useState<number | undefined>(undefined)
    return <Replay steps={stepsOf(story)} index={index} onStep={setIndex} />
  }

  it('plays, pauses, steps by keys and ends', () => {
    render(<Held />)
    fireEvent.keyDown(document.body, { key: 'r' })
    expect(screen.getByText('1 of 3')).toBeTruthy()
    act(() => { vi.advanceTimersByTime(1200) })
    expect(screen.getByText('2 of 3')).toBeTruthy()
    expect(screen.getByText('at once')).toBeTruthy()
    fireEvent.keyDown(document.body, { key: ' ' })
    act(() => { vi.advanceTimersByTime(5000) })
    expect(screen.getByText('2 of 3')).toBeTruthy()
    fireEvent.keyDown(document.body, { key: 'ArrowRight' })
    expect(screen.getByText('8.00 s later')).toBeTruthy()
    fireEvent.keyDown(document.body, { key: 'ArrowRight' })
    expect(screen.getByText('3 of 3')).toBeTruthy()
    fireEvent.keyDown(document.body, { key: 'Escape' })
    expect(screen.getByRole('button', { name: /Replay/ })).toBeTruthy()
  })

  it('has nothing to tell of one moment', () => {
    const { container } = render(<Replay steps={stepsOf({ nodes: [node('a', at(1))], edges: [] })} index={undefined} onStep={() => undefined} />)
    expect(container.textContent).toBe('')
  })
})
