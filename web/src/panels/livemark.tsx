/** Whether what one sees keeps up. */
import { Tooltip } from '@mantine/core'

import { useLiveState, type LiveState } from '../api/live'

const WORDS: Record<LiveState, [className: string, word: string, note: string]> = {
  live: ['state', 'Live', 'New alerts, incidents and sources show by themselves.'],
  waiting: ['state off', 'Waiting', 'Updates have not begun to come yet.'],
  lost: ['state silent', 'Not live', 'The server does not answer; the page tries again by itself.'],
}

/** A dot and a word. */
export function LiveMark() {
  const [className, word, note] = WORDS[useLiveState()]
  return (
    <Tooltip label={note}>
      <span className={`${className} only-wide`} role="status" tabIndex={0}>{word}</span>
    </Tooltip>
  )
}
