/** Places the nodes: ELK's layered layout, left to right, in a worker so that the page stays awake. */
import ELK, { type ElkNode } from 'elkjs/lib/elk-api'

import type { Block, Drawn, GraphEdge, GraphNode } from './graph'

export interface Size {
  width: number
  height: number
  /** Where edges meet it, from its top. */
  port: number
}

/** Dots of a block, in a row. */
export const DOTS = 12

/** How large a node is drawn; edges meet the middle of its glyph. */
export function sizeOf(node: GraphNode, dim: boolean, crowded: boolean): Size {
  if (dim) return { width: 148, height: 42, port: 21 }
  if (crowded) return { width: 112, height: 66, port: 24 }
  if (node.kind === 'connection') return { width: 164, height: node.joined ? 112 : 88, port: 24 }
  return { width: 140, height: 118, port: 24 }
}

/** A block grows with its dots. */
export function blockSize(block: Block): Size {
  const rows = Math.ceil(Math.min(block.members.length, DOTS * 12) / DOTS)
  return { width: Math.max(96, Math.min(DOTS, block.members.length) * 9, block.name.length * 7 + 34), height: 22 + rows * 9, port: 9 }
}

const OPTIONS = {
  'elk.algorithm': 'layered',
  'elk.direction': 'RIGHT',
  'elk.layered.spacing.nodeNodeBetweenLayers': '16',
  'elk.spacing.nodeNode': '26',
  'elk.layered.spacing.edgeNodeBetweenLayers': '8',
  'elk.spacing.componentComponent': '60',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  'elk.layered.nodePlacement.favorStraightEdges': 'true',
  'elk.layered.crossingMinimization.semiInteractive': 'true',
  'elk.layered.considerModelOrder.strategy': 'PREFER_NODES',
  'elk.edgeRouting': 'SPLINES',
}

const STRAIGHT: Record<string, string> = { 'elk.layered.priority.straightness': '100', 'elk.layered.priority.direction': '100', 'elk.layered.priority.shortness': '50' }
const LOOSE: Record<string, string> = { 'elk.layered.priority.direction': '0' }
const PLAIN: Record<string, string> = {}

let engine: InstanceType<typeof ELK> | undefined

function elk() {
  engine ??= new ELK({ workerFactory: () => new Worker(new URL('elkjs/lib/elk-worker.min.js', import.meta.url)) })
  return engine
}

/** Start the worker, and let it compile, while the graph is still asked for. */
export function warmUp(): void {
  void elk().layout({ id: 'warm', layoutOptions: OPTIONS, children: [{ id: 'a', width: 1, height: 1 }, { id: 'b', width: 1, height: 1 }], edges: [{ id: 'e', sources: ['a'], targets: ['b'] }] }).catch(() => undefined)
}

/** Top left corners by id. */
export type Places = ReadonlyMap<string, { x: number; y: number }>

/** Lay out what is drawn; the path is kept straight. */
export async function layout(drawn: Drawn, dimmed: (node: GraphNode) => boolean): Promise<Places> {
  const item = (id: string, size: Size): ElkNode => ({
    id, width: size.width, height: size.height,
    layoutOptions: { 'elk.portConstraints': 'FIXED_POS' },
    ports: [
      { id: `${id}>in`, x: 0, y: size.port, width: 0, height: 0, layoutOptions: { 'elk.port.side': 'WEST' } },
      { id: `${id}>out`, x: size.width, y: size.port, width: 0, height: 0, layoutOptions: { 'elk.port.side': 'EAST' } },
    ],
  })
  // A server that only a join leads from may stand right of what it joins: it needs no column of its own at the left.
  const rooted = new Set(drawn.edges.flatMap(({ kind, from, to }) => (kind === 'joins' ? [] : [from, to])))
  const servers = new Set(drawn.nodes.flatMap((node) => (node.kind === 'connection' ? [node.id] : [])))
  const ends = ({ kind, from, to }: GraphEdge) => (kind === 'joins' && !rooted.has(from) && servers.has(from) ? { sources: [`${to}>out`], targets: [`${from}>in`] } : { sources: [`${from}>out`], targets: [`${to}>in`] })
  const first = drawn.nodes.filter(({ path }) => path)
  const rest = drawn.nodes.filter(({ path }) => !path)
  performance.mark('layout')
  const solved = await elk().layout({
    id: 'root',
    layoutOptions: OPTIONS,
    children: [...first, ...rest].map((node) => item(node.id, sizeOf(node, dimmed(node), drawn.crowded))).concat(drawn.blocks.map((block) => item(block.id, blockSize(block)))),
    edges: drawn.edges.map((edge) => ({ id: edge.id, ...ends(edge), layoutOptions: edge.path ? STRAIGHT : edge.kind === 'joins' ? LOOSE : PLAIN })),
  })
  performance.measure('layout', 'layout')
  const places = new Map((solved.children ?? []).map(({ id, x = 0, y = 0 }) => [id, { x, y }]))
  // The solver leaves the path a few pixels off a straight line.
  const level = first[0] && places.get(first[0].id)?.y
  for (const { id } of first) {
    const place = places.get(id)
    if (place && level !== undefined && Math.abs(place.y - level) < 40) place.y = level
  }
  return places
}
