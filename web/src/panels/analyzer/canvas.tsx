/** The canvas of the Analyzer: pan, zoom, walk with the arrows. */
import '@xyflow/react/dist/base.css'
import './analyzer.css'

import { ReactFlow, ReactFlowProvider, useReactFlow, useViewport, type NodeMouseHandler } from '@xyflow/react'
import { IconFocusCentered, IconMinus, IconPlus } from '@tabler/icons-react'
import { useEffect, useMemo, useRef, useState } from 'react'

import { useKeys } from '../../ui/keys'
import { CATEGORIES, draw, walk, type Graph, type GraphEdge, type GraphNode } from './graph'
import { Link, type LinkEdge } from './edges'
import { blockSize, layout, sizeOf, type Places } from './layout'
import type { Step } from './replay'
import { CATEGORY_ICON, CATEGORY_WORD, Crowd, Thing, type CrowdNode, type ThingNode } from './nodes'

const nodeTypes = { thing: Thing, crowd: Crowd }
const edgeTypes = { link: Link }

interface CanvasProps {
  graph: Graph
  /** Everything, or the attack path with the rest dimmed or left out. */
  all: boolean
  picked: string | undefined
  onPick: (id: string) => void
  /** Only nodes that it holds for stay bright: what was searched for. */
  found?: ((node: GraphNode) => boolean) | undefined
  /** The moment of a replay: what begins later is faint, its node is lit. */
  now?: Step | undefined
}

/** Draws a graph; layout runs again only when what is drawn changes. */
export function Canvas(props: CanvasProps) {
  return <ReactFlowProvider><Inner {...props} /></ReactFlowProvider>
}

function Inner({ graph, all, picked, onPick, found, now }: CanvasProps) {
  const flow = useReactFlow()
  const [unfolded, setUnfolded] = useState<ReadonlySet<string>>(new Set())
  const drawn = useMemo(() => draw(graph, all, unfolded), [graph, all, unfolded])
  const dim = useMemo(() => {
    const storied = graph.nodes.some(({ path }) => path)
    return (node: GraphNode) => !all && storied && !node.path && !node.near && !node.trigger
  }, [graph, all])
  const [places, setPlaces] = useState<{ for: typeof drawn; at: Places } | undefined>(undefined)
  const [failed, setFailed] = useState<string | undefined>(undefined)
  useEffect(() => {
    let live = true
    layout(drawn, dim).then(
      (at) => { if (live) setPlaces({ for: drawn, at }) },
      (error: unknown) => { if (live) setFailed(error instanceof Error ? error.message : 'The layout failed.') },
    )
    return () => { live = false }
  }, [drawn, dim])

  const shown = places?.for ?? drawn
  const nodes = useMemo<(ThingNode | CrowdNode)[]>(() => {
    if (!places) return []
    const things = places.for.nodes.map((node): ThingNode => {
      const dimmed = dim(node)
      const size = sizeOf(node, dimmed, places.for.crowded)
      const word = node.kind === 'process' ? 'process' : node.kind === 'script' ? 'script' : 'connection'
      return {
        id: node.id, type: 'thing', position: places.at.get(node.id) ?? { x: 0, y: 0 }, width: size.width, height: size.height,
        data: { node, dim: found ? !found(node) : dimmed, crowded: places.for.crowded && !dimmed, picked: node.id === (now?.node.id ?? picked), later: isLater(node, now) },
        ariaLabel: `${word} ${node.name}, ${node.sub}${node.trigger ? ', trigger' : ''}${node.alerts.length > 0 ? `, ${node.alerts.length} alerts` : ''}`,
        zIndex: node.path ? 2 : 1,
      }
    })
    const crowds = places.for.blocks.map((block): CrowdNode => {
      const size = blockSize(block)
      return { id: block.id, type: 'crowd', position: places.at.get(block.id) ?? { x: 0, y: 0 }, width: size.width, height: size.height, data: { block, dim: !all, later: now !== undefined && block.members.every((member) => isLater(member, now)) }, ariaLabel: `${block.members.length} ${block.members[0]?.kind === 'connection' ? '' : 'processes '}${block.name}; Enter unfolds them` }
    })
    return [...things, ...crowds]
  }, [places, dim, all, picked, found, now])
  const edges = useMemo<LinkEdge[]>(() => {
    const byId = new Map(shown.nodes.map((node) => [node.id, node]))
    return shown.edges.map((edge): LinkEdge => {
      const ends = [byId.get(edge.from), byId.get(edge.to)]
      const near = ends.every((end) => end !== undefined && (end.path || end.near || end.trigger))
      return { id: edge.id, source: edge.from, target: edge.to, ...sidesOf(edge, places?.at), type: 'link', data: { edge, near, dim: !all && !near, later: ends.some((end) => end !== undefined && isLater(end, now)) }, focusable: false, zIndex: edge.path ? 1 : 0 }
    })
  }, [shown, all, places, now])

  const fit = useMemo(() => () => { void flow.fitView({ padding: 0.06, maxZoom: 1, minZoom: 0.1, duration: 0 }) }, [flow])
  // First the story, large enough to read; what lies around it is a drag away.
  const begin = useMemo(() => () => {
    const story = places?.for.nodes.filter((node) => node.path || node.near || node.trigger).map(({ id }) => ({ id })) ?? []
    void flow.fitView({ padding: 0.06, maxZoom: 1, minZoom: 0.5, duration: 0, ...(story.length > 0 ? { nodes: story } : {}) })
  }, [flow, places])
  useEffect(() => {
    if (!places) return
    const frame = requestAnimationFrame(begin)
    return () => { cancelAnimationFrame(frame) }
  }, [places, begin])

  const trigger = graph.nodes.find((node) => node.trigger)?.id
  const go = (id: string | undefined) => {
    if (id === undefined) return false
    onPick(id)
    const at = places?.at.get(id)
    const viewport = flow.getViewport()
    if (at && box.current) {
      if (!inSight(at, viewport, box.current)) void flow.setCenter(at.x + 80, at.y + 50, { zoom: viewport.zoom, duration: 150 })
    }
    return true
  }
  const box = useRef<HTMLDivElement>(null)
  const lit = now?.node.id
  useEffect(() => {
    const at = lit === undefined ? undefined : places?.at.get(lit)
    if (at && box.current && !inSight(at, flow.getViewport(), box.current)) void flow.setCenter(at.x + 80, at.y + 50, { zoom: flow.getViewport().zoom, duration: 150 })
  }, [lit, places, flow])
  const arrow = (key: string) => () => (now !== undefined ? false : picked === undefined ? go(trigger) : go(walk(graph, picked, key)))
  useKeys({ ArrowLeft: arrow('ArrowLeft'), ArrowRight: arrow('ArrowRight'), ArrowUp: arrow('ArrowUp'), ArrowDown: arrow('ArrowDown'), Home: () => go(trigger), 0: fit })

  const click: NodeMouseHandler<ThingNode | CrowdNode> = (_, node) => { open(node.id, node.type) }
  const open = (id: string, type: string | undefined) => {
    if (type === 'crowd') setUnfolded((was) => new Set([...was, id]))
    else onPick(id)
  }
  return (
    <div
      className="graph" ref={box}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return
        const at = (event.target as HTMLElement).closest<HTMLElement>('.react-flow__node')
        const node = at && nodes.find(({ id }) => id === at.dataset.id)
        if (node) {
          event.preventDefault()
          open(node.id, node.type)
        }
      }}
    >
      <svg width="0" height="0" aria-hidden="true" style={{ position: 'absolute' }}>
        <defs>
          <marker id="arrow-hot" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 .5 8 4 0 7.5z" fill="var(--sev-critical)" /></marker>
        </defs>
      </svg>
      {failed !== undefined && <div className="failed" role="alert">{failed}</div>}
      {!places && failed === undefined && <div className="graph-wait" role="status" aria-label="Placing the nodes"><span className="skel" style={{ width: 48, height: 48 }} /><span className="skel" style={{ width: 48, height: 48 }} /><span className="skel" style={{ width: 48, height: 48 }} /></div>}
      <ReactFlow<ThingNode | CrowdNode, LinkEdge>
        nodes={nodes} edges={edges} nodeTypes={nodeTypes} edgeTypes={edgeTypes} onNodeClick={click}
        nodesDraggable={false} nodesConnectable={false} elementsSelectable={false} edgesFocusable={false} nodesFocusable
        onlyRenderVisibleElements={nodes.length > 150} minZoom={0.1} maxZoom={2} proOptions={{ hideAttribution: true }}
        deleteKeyCode={null} selectionKeyCode={null} multiSelectionKeyCode={null} zoomOnDoubleClick={false} aria-label="Processes, scripts and connections"
      />
      <div className="over legend only-wide" aria-hidden="true">
        {shown.crowded
          ? <span>A dot is a process; equal names of one parent fold into a block. Click a block to unfold it.</span>
          : <>{CATEGORIES.map((category) => {
            const CategoryIcon = CATEGORY_ICON[category]
            return <span key={category}><CategoryIcon size={13} stroke={1.6} /> {CATEGORY_WORD[category]}</span>
          })}<span>counts under a node, in this order</span></>}
      </div>
      <Zoom onFit={fit} />
    </div>
  )
}

/** Whether a node has not begun at a moment of a replay. */
const isLater = ({ start }: GraphNode, now: Step | undefined) => now !== undefined && start !== undefined && Date.parse(start) > now.at

/** Whether a place on the canvas is seen. */
function inSight(at: { x: number; y: number }, { x, y, zoom }: { x: number; y: number; zoom: number }, { clientWidth, clientHeight }: HTMLElement): boolean {
  const [left, top] = [at.x * zoom + x, at.y * zoom + y]
  return left >= 0 && top >= 0 && left <= clientWidth - 100 && top <= clientHeight - 80
}

/** Left to right where time runs so; joins may run back, or straight up and down. */
function sidesOf(edge: GraphEdge, at: Places | undefined): { sourceHandle?: string; targetHandle?: string } {
  const from = at?.get(edge.from)
  const to = at?.get(edge.to)
  // Along the path a join goes over it, not through what stands between.
  if (from && to && edge.kind === 'joins' && Math.abs(to.y - from.y) < 8 && to.x > from.x + 240) return { sourceHandle: 'out-top', targetHandle: 'in-top' }
  if (!from || !to || edge.kind !== 'joins' || to.x > from.x + 60) return { sourceHandle: 'out-right', targetHandle: 'in-left' }
  if (to.x < from.x - 60) return { sourceHandle: 'out-left', targetHandle: 'in-right' }
  return to.y < from.y ? { sourceHandle: 'out-top', targetHandle: 'in-bottom' } : { sourceHandle: 'out-bottom', targetHandle: 'in-top' }
}

function Zoom({ onFit }: { onFit: () => void }) {
  const flow = useReactFlow()
  const { zoom } = useViewport()
  return (
    <div className="over zoom">
      <button type="button" className="btn quiet icon-only" aria-label="Smaller" onClick={() => { void flow.zoomOut() }}><IconMinus className="icon" size={14} /></button>
      <span className="t3 tm">{Math.round(zoom * 100)} %</span>
      <button type="button" className="btn quiet icon-only" aria-label="Larger" onClick={() => { void flow.zoomIn() }}><IconPlus className="icon" size={14} /></button>
      <button type="button" className="btn quiet icon-only" aria-label="Fit all" title="Fit all (0)" onClick={onFit}><IconFocusCentered className="icon" size={14} /></button>
    </div>
  )
}
