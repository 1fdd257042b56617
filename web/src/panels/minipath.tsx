/** The attack path of a graph in one line: what led to the alert. */
import { Link } from '@tanstack/react-router'
import { IconFileCode, IconSitemap, IconTerminal2 } from '@tabler/icons-react'
import { Fragment } from 'react'

import type { Graph } from '../api/types'
import { SeverityMark } from '../ui/severity'
import { duration } from '../ui/time'
import './analyzer/analyzer.css'
import { toPicture } from './analyzer/picture'
import { worst } from './analyzer/graph'

/** Each step opens the Analyzer on its node. */
export function MiniPath({ graph, alert }: { graph: Graph; alert: string }) {
  const { nodes } = toPicture(graph)
  const path = nodes.filter(({ path: on }) => on)
  if (path.length === 0) return <p className="t3">No process led to it that any source recorded.</p>
  return (
    <ol className="minipath">
      {path.map((node, index) => {
        const before = path[index - 1]
        const gap = before?.start !== undefined && node.start !== undefined ? Date.parse(node.start) - Date.parse(before.start) : undefined
        const severity = worst(node.alerts)
        return (
          <Fragment key={node.id}>
            <li className={node.trigger ? 'trigger' : undefined}>
              <Link to="/analyzer" search={{ alert, node: node.id }} title={`${node.name}, ${node.sub}`}>
                <span className={`n ${node.kind}`}>
                  {node.kind === 'connection' ? <IconSitemap className="icon" size={15} /> : node.kind === 'script' ? <IconFileCode className="icon" size={15} /> : <IconTerminal2 className="icon" size={15} />}
                  {severity && <SeverityMark severity={severity} size={13} />}
                </span>
                <b>{node.name}</b>
                <small>{gap === undefined ? '' : `+${duration(gap)}`}</small>
              </Link>
            </li>
          </Fragment>
        )
      })}
    </ol>
  )
}
