import { describe, expect, it } from 'vitest'

import { draw, walk, worst, type Graph, type GraphEdge, type GraphNode } from './graph'

const node = (id: string, change: Partial<GraphNode> = {}): GraphNode => ({ id, kind: 'process', name: `${id}.exe`, sub: '', host: 'h', alerts: [], counts: {}, path: false, trigger: false, near: false, joined: false, ...change })
const starts = (from: string, to: string, change: Partial<GraphEdge> = {}): GraphEdge => ({ id: `${from}-${to}`, from, to, kind: 'starts', path: false, ...change })

/** A path a → b → c, and `count` children of a and of a root, all of one name each. */
function busy(count: number): Graph {
  const extra = Array.from({ length: count }, (_, index) => node(`x${index}`, { name: index % 2 ? 'svchost.exe' : 'ping.exe' }))
  return {
    nodes: [node('root'), node('a', { path: true }), node('b', { path: true }), node('c', { path: true, trigger: true }), ...extra],
    edges: [starts('root', 'a'), starts('a', 'b', { path: true }), starts('b', 'c', { path: true }), ...extra.map(({ id }, index) => starts(index % 2 ? 'root' : 'a', id))],
  }
}

describe('what is drawn', () => {
  it('is everything while it is few', () => {
    const graph = busy(20)
    expect(draw(graph, false, new Set())).toEqual({ nodes: graph.nodes, blocks: [], edges: graph.edges, crowded: false })
  })

  it('folds equal names of one parent past sixty, and never the path', () => {
    const drawn = draw(busy(500), true, new Set())
    expect(drawn.crowded).toBe(true)
    expect(drawn.nodes.map(({ id }) => id)).toEqual(['root', 'a', 'b', 'c'])
    expect(drawn.blocks.map(({ name, parent, members }) => [name, parent, members.length])).toEqual([['ping.exe', 'a', 250], ['svchost.exe', 'root', 250]])
    expect(drawn.edges.filter(({ id }) => id.startsWith('fold:'))).toHaveLength(2)
  })

  it('leaves out what the path did not start, until all is asked for', () => {
    const drawn = draw(busy(500), false, new Set())
    expect(drawn.blocks.map(({ name }) => name)).toEqual(['ping.exe'])
  })

  it('unfolds a block into nodes with edges', () => {
    const graph = busy(100)
    const folded = draw(graph, true, new Set())
    const block = folded.blocks[0]
    const drawn = draw(graph, true, new Set([block?.id ?? '']))
    expect(drawn.blocks).toHaveLength(1)
    expect(drawn.nodes).toHaveLength(4 + 50)
    expect(drawn.edges.every(({ from, to }) => [...drawn.nodes, ...drawn.blocks].some(({ id }) => id === from) && [...drawn.nodes, ...drawn.blocks].some(({ id }) => id === to))).toBe(true)
  })

  it('survives a loop and an edge to nowhere', () => {
    const graph = busy(100)
    const drawn = draw({ nodes: graph.nodes, edges: [...graph.edges, starts('c', 'root'), starts('nobody', 'x3')] }, true, new Set())
    expect(drawn.nodes.length).toBeGreaterThan(3)
  })
})

describe('walking', () => {
  const graph: Graph = { nodes: [node('a'), node('b'), node('c'), node('d')], edges: [starts('a', 'b'), starts('a', 'c', { path: true }), starts('c', 'd'), { ...starts('d', 'b'), kind: 'joins' }] }
  it.each([['b', 'ArrowLeft', 'a'], ['a', 'ArrowRight', 'c'], ['c', 'ArrowDown', 'b'], ['b', 'ArrowUp', 'c'], ['d', 'ArrowRight', undefined], ['a', 'ArrowLeft', undefined], ['a', 'x', undefined]])('%s %s leads to %s', (from, key, to) => {
    expect(walk(graph, from, key)).toBe(to)
  })
})

it('knows the worst of alerts', () => {
  expect(worst([{ id: '1', rule: '', severity: 'low' }, { id: '2', rule: '', severity: 'high' }])).toBe('high')
  expect(worst([])).toBeUndefined()
})

it('connections of one parent fold into one block, whatever their addresses', () => {
  const graph = busy(100)
  const ends = Array.from({ length: 30 }, (_, index) => node(`c${index}`, { kind: 'connection', name: `192.0.2.${index}:443` }))
  const drawn = draw({ nodes: [...graph.nodes, ...ends], edges: [...graph.edges, ...ends.map(({ id }) => starts('a', id, { kind: 'opens' }))] }, true, new Set())
  expect(drawn.blocks.find(({ name }) => name === 'connections')?.members).toHaveLength(30)
})
