/** How processes, scripts, connections and folded crowds look on the canvas. */
import { Handle, Position, type Node, type NodeProps } from '@xyflow/react'
import { IconAppWindow, IconFile, IconFileCode, IconLink, IconNetwork, IconSitemap, IconTerminal2, IconBook2, IconScript, IconSquareRounded, IconWorld, IconAdjustmentsHorizontal, type Icon } from '@tabler/icons-react'
import { memo } from 'react'

import { SeverityMark } from '../../ui/severity'
import { CATEGORIES, worst, type Block, type Category, type GraphNode } from './graph'
import { DOTS } from './layout'

export const CATEGORY_ICON: Record<Category, Icon> = { file: IconFile, registry: IconAdjustmentsHorizontal, network: IconNetwork, dns: IconWorld, library: IconBook2, script: IconScript }
export const CATEGORY_WORD: Record<Category, string> = { file: 'file', registry: 'registry', network: 'network', dns: 'DNS', library: 'library', script: 'script' }

export interface ThingData extends Record<string, unknown> {
  node: GraphNode
  dim: boolean
  crowded: boolean
  picked: boolean
  /** It has not begun at the moment of a replay. */
  later: boolean
}
export type ThingNode = Node<ThingData, 'thing'>

const SIDES = [['left', Position.Left], ['right', Position.Right], ['top', Position.Top], ['bottom', Position.Bottom]] as const

const SHELLS = /^(?:cmd|powershell|pwsh|powershell_ise|bash|sh|zsh|dash|wscript|cscript)(?:\.exe)?$/i

function glyph(node: GraphNode, dim: boolean): Icon {
  if (node.kind === 'connection') return IconSitemap
  if (node.kind === 'script') return IconFileCode
  if (SHELLS.test(node.name)) return IconTerminal2
  return dim ? IconSquareRounded : IconAppWindow
}

/** A node: glyph, name, second line, six fixed badges. */
export const Thing = memo(function Thing({ data }: NodeProps<ThingNode>) {
  const { node, dim, crowded, picked, later } = data
  const Glyph = glyph(node, dim)
  const severity = worst(node.alerts)
  const shape = `glyph ${node.kind}`
  return (
    <div className={`thing${dim ? ' dim' : ''}${crowded ? ' crowded' : ''}${node.trigger ? ' trigger' : ''}${picked ? ' picked' : ''}${later ? ' later' : ''}`} data-kind={node.kind} data-name={node.name} data-path={node.path}>
      <Handles />
      <div className={shape}>
        <Glyph size={dim || crowded ? 18 : 23} stroke={1.4} aria-hidden />
        {severity && <span className="mark"><SeverityMark severity={severity} size={crowded ? 18 : 20} /></span>}
        {node.alerts.length > 1 && <span className="many">{node.alerts.length}</span>}
      </div>
      {node.trigger && <div className="flag">Trigger</div>}
      <div className="words">
        <div className="name">{node.name}</div>
        {(!crowded || picked) && <div className="sub">{node.sub}</div>}
      </div>
      {!dim && !crowded && node.kind !== 'connection' && <Badges node={node} />}
      {!dim && !crowded && node.joined && <div className="both-seen"><IconLink size={11} aria-hidden /> host = network</div>}
    </div>
  )
})

/** Edges come and go at every side; `sidesOf` in canvas.tsx picks which. */
function Handles() {
  return (
    <>
      {SIDES.flatMap(([side, position]) => [
        <Handle key={`in-${side}`} id={`in-${side}`} type="target" position={position} isConnectable={false} />,
        <Handle key={`out-${side}`} id={`out-${side}`} type="source" position={position} isConnectable={false} />,
      ])}
    </>
  )
}

/** Counts of events by category; a dot where there is none. */
export function Badges({ node }: { node: GraphNode }) {
  return (
    <div className="badges">
      {CATEGORIES.map((category) => {
        const count = node.counts[category] ?? 0
        const CategoryIcon = CATEGORY_ICON[category]
        return count === 0
          ? <span key={category} className="zero" />
          : <span key={category} title={`${count} ${CATEGORY_WORD[category]}`}><CategoryIcon size={10} stroke={2} aria-hidden />{count > 999 ? '1k+' : count}<span className="sr-only"> {CATEGORY_WORD[category]} events</span></span>
      })}
    </div>
  )
}

export interface CrowdData extends Record<string, unknown> {
  block: Block
  /** Nothing dims when everything is asked for. */
  dim: boolean
  later: boolean
}
export type CrowdNode = Node<CrowdData, 'crowd'>

/** Equal names of one parent: a dot a process; one with an alert shows its mark. */
export const Crowd = memo(function Crowd({ data }: NodeProps<CrowdNode>) {
  const { block, later } = data
  const most = DOTS * 12
  return (
    <div className={later ? 'crowd later' : 'crowd'} data-name={block.name}>
      <Handle id="in-left" type="target" position={Position.Left} isConnectable={false} />
      <div className="crowd-name">{block.name} {block.members.length > 1 && <b>{block.members.length}</b>}</div>
      <svg width={DOTS * 9} height={Math.ceil(Math.min(most, block.members.length) / DOTS) * 9} aria-hidden="true">
        {block.members.slice(0, most).map((member, index) => {
          const severity = worst(member.alerts)
          const x = (index % DOTS) * 9
          const y = Math.floor(index / DOTS) * 9
          return severity
            ? <g key={member.id} transform={`translate(${x - 1} ${y - 1})`}><SeverityMark severity={severity} size={9} decorative /></g>
            : <circle key={member.id} cx={x + 3.5} cy={y + 3.5} r={2.6} />
        })}
      </svg>
    </div>
  )
})
