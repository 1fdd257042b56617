/** A sentence of the API whose nouns open the events that hold them. */
import { useNavigate } from '@tanstack/react-router'

import type { Part } from '../api/types'
import { filterKql } from '../ui/filters'
import { Sentence } from '../ui/text'
import { useValueActions } from '../ui/value'
import { sentence, valueOf } from './parts'

/** A click on a noun searches for it in Discover; Alt-click filters here, where the page has filters. */
export function Said({ parts, from, to }: { parts: readonly Part[]; from?: string; to?: string }) {
  const navigate = useNavigate()
  const actions = useValueActions()
  return (
    <Sentence
      parts={sentence(parts)}
      onPick={(noun, alt) => {
        if (noun.field === undefined) return
        const value = valueOf(parts, noun)
        if (alt && actions.filter) actions.filter(noun.field, value, false)
        else void navigate({ to: '/discover', search: { q: filterKql({ field: noun.field, value }), from, to } })
      }}
    />
  )
}
