/** The Analyzer's picture as data: processes, the scripts they run, the connections they open, and what joins them. */
import type { SeverityName } from '../../ui/severity'

/** Badges under a node, always in this order. */
export const CATEGORIES = ['file', 'registry', 'network', 'dns', 'library', 'script'] as const
export type Category = (typeof CATEGORIES)[number]

export interface NodeAlert {
  id: string
  rule: string
  severity: SeverityName
}

export interface GraphNode {
  id: string
  kind: 'process' | 'script' | 'connection'
  name: string
  /** Second line: pid and user, or what a connection carried. */
  sub: string
  host: string
  start?: string | undefined
  end?: string | undefined
  alerts: readonly NodeAlert[]
  counts: Readonly<Partial<Record<Category, number>>>
  /** On the way from the first process to what the trigger did. */
  path: boolean
  trigger: boolean
  /** Of the story without being on its path: drawn whole, not dimmed. */
  near: boolean
  /** A connection that host and network both saw. */
  joined: boolean
}

export interface GraphEdge {
  id: string
  from: string
  to: string
  /** `starts` and `opens` run with time; `joins` says that two things are one. */
  kind: 'starts' | 'opens' | 'joins'
  path: boolean
  /** Above the edge: elapsed time, or what joins. */
  label?: string | undefined
}

export interface Graph {
  nodes: readonly GraphNode[]
  edges: readonly GraphEdge[]
}

/** Processes of one parent with one name, drawn as dots. */
export interface Block {
  id: string
  parent: string | undefined
  name: string
  members: readonly GraphNode[]
}

export interface Drawn {
  nodes: readonly GraphNode[]
  blocks: readonly Block[]
  edges: readonly GraphEdge[]
  /** Past the bound: path nodes shrink and badges wait for hover. */
  crowded: boolean
}

/** More processes than this fold. */
export const CROWD = 60

/**
 * What to draw of a graph.
 *
 * Up to `CROWD` processes everything is drawn. Past it, children of one parent with one name fold into a block, unless they are on the path, near it,
 * carry a child of their own that is drawn, or belong to a block that was unfolded.
 *
 * @param all false: only the path, what is near it, and the children of path nodes.
 * @param unfolded blocks to draw as nodes.
 */
export function draw(graph: Graph, all: boolean, unfolded: ReadonlySet<string>): Drawn {
  const parent = new Map<string, string>()
  for (const { kind, from, to } of graph.edges) {
    if (kind === 'joins') continue
    if (!parent.has(to)) parent.set(to, from)
  }
  const byId = new Map(graph.nodes.map((node) => [node.id, node]))
  const shown = (node: GraphNode) => node.path || node.near || node.trigger
  if (graph.nodes.length <= CROWD) {
    return { nodes: graph.nodes, blocks: [], edges: graph.edges, crowded: false }
  }
  const kept = all ? graph.nodes : graph.nodes.filter((node) => {
    const above = byId.get(parent.get(node.id) ?? '')
    return shown(node) || above?.path === true
  })
  const whole = new Set<string>(kept.filter(shown).map(({ id }) => id))
  // A root that started something is what its blocks hang from.
  if (all) for (const up of parent.values()) if (!parent.has(up) && byId.has(up)) whole.add(up)
  // A node with drawn children can't be a dot: its edge needs an end.
  for (const id of [...whole]) for (let up = parent.get(id), n = 0; up !== undefined && n < 1000 && !whole.has(up); up = parent.get(up), n += 1) whole.add(up)
  const groups = new Map<string, GraphNode[]>()
  for (const node of kept) {
    if (whole.has(node.id)) continue
    const above = ancestorIn(whole, parent, node.id)
    // Addresses differ where names would not: the connections of one parent are one block.
    const key = `${above ?? ''}\u0000${node.kind === 'connection' ? 'connections' : node.name}`
    const group = groups.get(key)
    if (group) group.push(node)
    else groups.set(key, [node])
  }
  const blocks: Block[] = []
  const single: GraphNode[] = []
  for (const [key, members] of groups) {
    const above = key.slice(0, key.indexOf('\u0000'))
    const first = members[0]
    if (!first) continue
    if (unfolded.has(key)) single.push(...members)
    else blocks.push({ id: key, parent: above === '' ? undefined : above, name: first.kind === 'connection' && members.length > 1 ? 'connections' : first.name, members })
  }
  const drawnIds = new Set([...whole, ...single.map(({ id }) => id)])
  const edges = graph.edges.filter(({ from, to }) => drawnIds.has(from) && drawnIds.has(to))
  const reached = new Set(edges.map(({ to }) => to))
  for (const node of single) {
    const above = ancestorIn(whole, parent, node.id)
    if (above !== undefined && !reached.has(node.id)) edges.push({ id: `under:${node.id}`, from: above, to: node.id, kind: 'starts', path: false })
  }
  for (const block of blocks) if (block.parent !== undefined) edges.push({ id: `fold:${block.id}`, from: block.parent, to: block.id, kind: 'starts', path: false })
  return { nodes: graph.nodes.filter(({ id }) => drawnIds.has(id)), blocks, edges, crowded: true }
}

function ancestorIn(ids: ReadonlySet<string>, parent: ReadonlyMap<string, string>, id: string): string | undefined {
  let up = parent.get(id)
  for (let n = 0; up !== undefined && n < 1000; n += 1) {
    if (ids.has(up)) return up
    up = parent.get(up)
  }
  return undefined
}

/** Where an arrow key leads in the tree. */
export function walk(graph: Pick<Graph, 'nodes' | 'edges'>, from: string, key: string): string | undefined {
  const tree = graph.edges.filter(({ kind }) => kind !== 'joins')
  const up = tree.find(({ to }) => to === from)?.from
  const below = (id: string | undefined) => tree.filter((edge) => edge.from === id).sort((a, b) => Number(b.path) - Number(a.path)).map(({ to }) => to)
  if (key === 'ArrowLeft') return up
  if (key === 'ArrowRight') return below(from)[0]
  const roots = graph.nodes.filter(({ id }) => !tree.some(({ to }) => to === id)).map(({ id }) => id)
  const siblings = up === undefined ? roots : below(up)
  const at = siblings.indexOf(from)
  if (key === 'ArrowDown') return siblings[at + 1]
  if (key === 'ArrowUp') return siblings[at - 1]
  return undefined
}

const RANK: readonly SeverityName[] = ['critical', 'high', 'medium', 'low', 'info']

/** The worst severity among alerts. */
export function worst(alerts: readonly NodeAlert[]): SeverityName | undefined {
  return RANK.find((severity) => alerts.some((alert) => alert.severity === severity))
}
