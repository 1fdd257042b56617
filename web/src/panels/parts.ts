/** The API's sentences for the kit. */
import type { Part } from '../api/types'
import { asText } from '../ui/format'
import type { SentencePart } from '../ui/text'

/** Pieces of text, and nouns where a piece has a field. */
export function sentence(parts: readonly Part[]): SentencePart[] {
  return parts.map((part) => (part.field === null ? part.text : { text: part.text, field: part.field }))
}

/** A sentence as plain text, for labels. */
export function plain(parts: readonly Part[]): string {
  return parts.map(({ text }) => text).join('')
}

/** The value that a noun stands for: what was sent, else what is written. */
export function valueOf(parts: readonly Part[], noun: { text: string; field?: string }): string | number | boolean {
  const part = parts.find(({ text, field }) => text === noun.text && field === noun.field)
  const value = part?.value
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : value === null || value === undefined ? noun.text : asText(value)
}
