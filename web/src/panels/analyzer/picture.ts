/** The API's graph as the picture's. */
import type { Graph as ApiGraph } from '../../api/types'
import { severityOf } from '../../ui/severity'
import { duration } from '../../ui/time'
import type { Graph, GraphEdge, GraphNode } from './graph'

const JOINS = new Set(['wrote', 'served', 'same'])

/** Elapsed time as it stands on an edge. */
function elapsed(us: number | null): string | undefined {
  return us === null || us <= 0 ? undefined : duration(us / 1000)
}

/**
 * The line of the attack: what led to the trigger, what followed from it the longest way, and the last connection at its end.
 *
 * The API marks everything of the story; one line of it is drawn hot, the rest of the story bright.
 */
function mainLine(graph: ApiGraph): ReadonlySet<string> {
  const story = new Set(graph.nodes.filter(({ on_path }) => on_path).map(({ id }) => id))
  const trigger = graph.nodes.find(({ id, trigger: is }) => is || id === graph.trigger)?.id
  if (trigger === undefined || story.size === 0) return story
  const up = new Map<string, string>()
  const down = new Map<string, string[]>()
  for (const { kind, source, target } of graph.edges) {
    if (kind !== 'started' && kind !== 'ran') continue
    if (!up.has(target)) up.set(target, source)
    down.set(source, [...(down.get(source) ?? []), target])
  }
  const line: string[] = []
  const onLine = new Set<string>()
  for (let at: string | undefined = trigger; at !== undefined && story.has(at) && !onLine.has(at); at = up.get(at)) {
    onLine.add(at)
    line.unshift(at)
  }
  const longest = (from: string, seen: ReadonlySet<string>): string[] => {
    let best: string[] = []
    for (const next of down.get(from) ?? []) {
      if (!story.has(next) || seen.has(next)) continue
      const way = [next, ...longest(next, new Set([...seen, next]))]
      if (way.length > best.length) best = way
    }
    return best
  }
  line.push(...longest(trigger, onLine))
  const time = new Map(graph.nodes.map(({ id, time: at }) => [id, at ?? '']))
  const ends = graph.edges.filter(({ kind, source, target }) => kind === 'connected' && source === line.at(-1) && story.has(target)).map(({ target }) => target)
  const last = ends.sort((a, b) => (time.get(a) ?? '').localeCompare(time.get(b) ?? '')).at(-1)
  return new Set(last === undefined ? line : [...line, last])
}

/** Translate; what stands beside the line (writers, servers, alerts of their own) is near, the rest may be dimmed. */
export function toPicture(graph: ApiGraph): Graph {
  const line = mainLine(graph)
  const near = new Set(graph.nodes.filter(({ id, on_path }) => on_path && !line.has(id)).map(({ id }) => id))
  const joined = new Set<string>()
  for (const edge of graph.edges) {
    if (JOINS.has(edge.kind) && (line.has(edge.source) || line.has(edge.target))) {
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
      path: line.has(node.id),
      trigger: node.trigger || node.id === graph.trigger,
      near: near.has(node.id) || node.alerts.length > 0,
      joined: connection && (joined.has(node.id) || bothSaw(node)),
    }
  })
  const edges = graph.edges.map((edge): GraphEdge => {
    const path = !JOINS.has(edge.kind) && line.has(edge.source) && line.has(edge.target)
    return {
      id: edge.id,
      from: edge.source,
      to: edge.target,
      kind: JOINS.has(edge.kind) ? 'joins' : edge.kind === 'connected' ? 'opens' : 'starts',
      path,
      label: JOINS.has(edge.kind) ? joinWords(edge) : path || edge.on_path ? elapsed(edge.elapsed_us) : undefined,
    }
  })
  return { nodes, edges }
}

function joinWords({ kind, label, elapsed_us }: ApiGraph['edges'][number]): string {
  if (label !== '') return label
  const time = elapsed(elapsed_us)
  if (kind === 'wrote') return time === undefined ? 'wrote it' : `wrote it, ${time} before`
  if (kind === 'served') return 'served it'
  return 'same connection'
}

/** Whether a sensor on the host and one on the wire saw the connection. */
function bothSaw({ document, facts }: ApiGraph['nodes'][number]): boolean {
  if (facts.some(({ text }) => text === 'Seen by')) return true
  const datasets = document['event.dataset']
  const list = Array.isArray(datasets) ? (datasets as unknown[]).map(String) : []
  return list.some((name) => name.startsWith('zeek.')) && list.some((name) => !name.startsWith('zeek.'))
}
