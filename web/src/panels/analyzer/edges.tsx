/** Edges: the attack path in the critical colour with its times, joins dotted, the rest quiet. */
import { BaseEdge, EdgeLabelRenderer, getBezierPath, Position, type Edge, type EdgeProps } from '@xyflow/react'
import { memo } from 'react'

import type { GraphEdge } from './graph'

export interface LinkData extends Record<string, unknown> {
  edge: GraphEdge
  near: boolean
  dim: boolean
  later: boolean
}
export type LinkEdge = Edge<LinkData, 'link'>

/** One edge and its label. */
export const Link = memo(function Link({ id, sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition, data }: EdgeProps<LinkEdge>) {
  const arc = sourcePosition === Position.Top && targetPosition === Position.Top
  const rise = 70
  const [path, labelX, labelY] = arc
    ? [`M${sourceX},${sourceY} C${sourceX + 30},${sourceY - rise} ${targetX - 30},${targetY - rise} ${targetX},${targetY}`, (sourceX + targetX) / 2, Math.min(sourceY, targetY) - rise * 0.75] as const
    : getBezierPath({ sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition, curvature: 0.3 })
  if (!data) return null
  const { edge, near, dim, later } = data
  const kind = edge.path ? 'hot' : edge.kind === 'joins' ? 'join' : near ? 'warm' : 'cool'
  return (
    <>
      <BaseEdge id={id} path={path} className={`link ${kind}${dim ? ' dim' : ''}${later ? ' later' : ''}`} {...(edge.path ? { markerEnd: 'url(#arrow-hot)' } : {})} />
      {edge.label !== undefined && !dim && !later && (
        <EdgeLabelRenderer>
          <div className={edge.path ? 'edge-label hot' : 'edge-label'} style={{ transform: `translate(-50%, -50%) translate(${labelX}px, ${arc ? labelY : edge.path ? labelY - 11 : Math.max(sourceY, targetY) - Math.abs(targetY - sourceY) * 0.3}px)` }}>{edge.label}</div>
        </EdgeLabelRenderer>
      )}
    </>
  )
})
