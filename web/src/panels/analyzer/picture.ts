/** The API's graph as the picture's. */
import type { Graph as ApiGraph } from '../../api/types'
import { severityOf } from '../../ui/severity'
import { duration } from '../../ui/time'
import type { Graph, GraphEdge, GraphNode } from './graph'

const JOINS = new Set(['wrote', 'served', 'same'])

/** Elapsed time as it stands on an edge. */
function elapsed(us: number | null): string | undefined {
  return us === null || us < 0 ? undefined : duration(us / 1000)
}

/** Translate; what stands beside the path (writers, servers, alerts of their own) is near, the rest may be dimmed. */
export function toPicture(graph: ApiGraph): Graph {
  const onPath = new Set(graph.nodes.filter(({ on_path }) => on_path).map(({ id }) => id))
  const near = new Set<string>()
  const joined = new Set<string>()
  for (const edge of graph.edges) {
    if (JOINS.has(edge.kind) && (onPath.has(edge.source) || onPath.has(edge.target))) {
      near.add(edge.source)
      near.add(edge.target)
    }
    if (edge.kind === 'same') {
      joined.add(edge.source)
      joined.add(edge.target)
    }
  }
  const nodes = graph.nodes.map((node): GraphNode => {
    const connection = node.kind === 'connection' || node.kind === 'host'
    return {
      id: node.id,
      kind: connection ? 'connection' : node.kind === 'script' ? 'script' : 'process',
      name: node.label,
      sub: node.detail,
      host: node.host ?? '',
      start: node.time ?? undefined,
      end: node.end ?? undefined,
      alerts: node.alerts.map(({ id, rule, severity }) => ({ id, rule, severity: severityOf(severity) })),
      counts: node.counts,
      path: node.on_path,
      trigger: node.trigger || node.id === graph.trigger,
      near: near.has(node.id) || node.alerts.length > 0,
      joined: connection && (joined.has(node.id) || bothSaw(node.document)),
    }
  })
  const edges = graph.edges.map((edge): GraphEdge => ({
    id: edge.id,
    from: edge.source,
    to: edge.target,
    kind: JOINS.has(edge.kind) ? 'joins' : edge.kind === 'connected' ? 'opens' : 'starts',
    path: edge.on_path,
    label: JOINS.has(edge.kind) ? joinWords(edge) : edge.on_path || edge.label !== '' ? [edge.label, elapsed(edge.elapsed_us)].filter(Boolean).join(', ') || undefined : undefined,
  }))
  return { nodes, edges }
}

function joinWords({ kind, label, elapsed_us }: ApiGraph['edges'][number]): string {
  if (label !== '') return label
  const time = elapsed(elapsed_us)
  if (kind === 'wrote') return time === undefined ? 'wrote it' : `wrote it, ${time} before`
  if (kind === 'served') return 'served it'
  return 'same connection'
}

function bothSaw(document: Record<string, unknown>): boolean {
  const datasets = document['event.dataset']
  const list = Array.isArray(datasets) ? (datasets as unknown[]).map(String) : []
  return list.some((name) => name.startsWith('zeek.')) && list.some((name) => !name.startsWith('zeek.'))
}
