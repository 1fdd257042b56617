/** The story again, a moment at a time: what had not begun yet is faint, what begins now is lit. */
import { IconPlayerPause, IconPlayerPlay, IconPlayerTrackNext, IconPlayerTrackPrev, IconX } from '@tabler/icons-react'
import { useEffect, useState } from 'react'

import { useKeys } from '../../ui/keys'
import { Kbd, Time } from '../../ui/text'
import { duration } from '../../ui/time'
import { SeverityMark } from '../../ui/severity'
import type { Graph, GraphNode } from './graph'
import { worst } from './graph'

/** One moment of the story. */
export interface Step {
  node: GraphNode
  /** Milliseconds since 1970. */
  at: number
}

/** Milliseconds that a step stays while it plays. */
const PACE = 1100

/** What of a graph is told, in order of time: the story where there is one, else everything. */
export function stepsOf({ nodes }: Graph): Step[] {
  const timed = nodes.flatMap((node): Step[] => {
    const at = Date.parse(node.start ?? '')
    return Number.isNaN(at) ? [] : [{ node, at }]
  })
  const story = timed.filter(({ node }) => node.path || node.near || node.trigger)
  // At one moment what runs comes before what it opens: a script after its shell.
  const rank = { process: 0, script: 1, connection: 2 } as const
  return (story.length > 1 ? story : timed).sort((a, b) => a.at - b.at || rank[a.node.kind] - rank[b.node.kind] || a.node.id.localeCompare(b.node.id))
}

interface ReplayProps {
  steps: readonly Step[]
  /** The moment that is shown; nothing is replayed without one. */
  index: number | undefined
  onStep: (index: number | undefined) => void
}

/** The button, then the controls: R plays and ends, arrows step, Space pauses. */
export function Replay({ steps, index, onStep }: ReplayProps) {
  const [playing, setPlaying] = useState(false)
  const last = steps.length - 1
  const moving = playing && index !== undefined && index < last
  useEffect(() => {
    if (!moving) return
    const timer = setTimeout(() => { onStep(index + 1) }, PACE)
    return () => { clearTimeout(timer) }
  }, [moving, index, onStep])
  const begin = () => {
    setPlaying(true)
    onStep(0)
  }
  const end = () => {
    setPlaying(false)
    onStep(undefined)
  }
  const step = (by: number) => {
    if (index === undefined) return false
    setPlaying(false)
    onStep(Math.min(last, Math.max(0, index + by)))
    return true
  }
  const toggle = () => {
    if (index === undefined) return false
    if (index === last) begin()
    else setPlaying(!playing)
    return true
  }
  useKeys({ r: () => { if (index === undefined) begin(); else end() }, Escape: () => (index === undefined ? false : (end(), true)), ArrowRight: () => step(1), ArrowLeft: () => step(-1), ' ': toggle })
  if (steps.length < 2) return null
  const now = index === undefined ? undefined : steps[index]
  if (index === undefined || !now) return <button type="button" className="btn" onClick={begin}><IconPlayerPlay className="icon" size={14} /> Replay <span className="only-wide"><Kbd>R</Kbd></span></button>
  const before = steps[index - 1]
  const severity = worst(now.node.alerts)
  return (
    <div className="replay" role="group" aria-label="Replay">
      <button type="button" className="btn quiet icon-only" aria-label="Step back" disabled={index === 0} onClick={() => { step(-1) }}><IconPlayerTrackPrev className="icon" size={14} /></button>
      <button type="button" className="btn quiet icon-only" aria-label={moving ? 'Pause' : 'Play'} onClick={toggle}>{moving ? <IconPlayerPause className="icon" size={14} /> : <IconPlayerPlay className="icon" size={14} />}</button>
      <button type="button" className="btn quiet icon-only" aria-label="Step on" disabled={index === last} onClick={() => { step(1) }}><IconPlayerTrackNext className="icon" size={14} /></button>
      <span className="tm t3 nowrap">{index + 1} of {steps.length}</span>
      <span className="row" role="status" style={{ gap: 6 }}>
        <span className="t2 nowrap"><Time at={now.node.start ?? ''} detail="clock" /></span>
        {severity && <SeverityMark severity={severity} size={13} />}
        <b className="mono cut">{now.node.name}</b>
        {before && <span className="t3 nowrap">{now.at > before.at ? `${duration(now.at - before.at)} later` : 'at once'}</span>}
      </span>
      <button type="button" className="btn quiet icon-only" aria-label="End the replay" onClick={end}><IconX className="icon" size={14} /></button>
    </div>
  )
}
