/** Colour and completion for the query languages, as the query bar needs them. */
import type { Completion, CompletionContext, CompletionResult, CompletionSource } from '@codemirror/autocomplete'
import { HighlightStyle, StreamLanguage, syntaxHighlighting, type StringStream } from '@codemirror/language'
import { tags } from '@lezer/highlight'

export const LANGUAGES = ['kql', 'eql', 'sigma'] as const
export type Language = (typeof LANGUAGES)[number]

const KEYWORDS: Record<Language, RegExp> = {
  kql: /^(?:and|or|not)(?![\w.])/i,
  eql: /^(?:sequence|sample|by|with|maxspan|until|where|and|or|not|in~?|like~?|regex~?|any|true|false|null|process|file|network|registry|dns|library|authentication)(?![\w.])/,
  sigma: /^(?:and|or|not|all|of|them|1 of|condition|detection|logsource|title|level|selection)(?![\w.])/,
}

function tokenise(language: Language) {
  return (stream: StringStream): string | null => {
    if (stream.eatSpace()) return null
    if (language === 'sigma' && stream.match(/^#.*/)) return 'comment'
    if (language === 'eql' && stream.match(/^\/\/.*/)) return 'comment'
    if (stream.match(/^"(?:[^"\\]|\\.)*"?/) || stream.match(/^'(?:[^'\\]|\\.)*'?/)) return 'string'
    if (stream.match(KEYWORDS[language])) return 'keyword'
    if (stream.match(/^[@\w][\w.|-]*(?=\s*(?::|==|!=|<=?|>=?|in\b|like\b|regex\b))/)) return 'propertyName'
    if (stream.match(/^-?\d+(?:\.\d+)?(?![\w.-])/)) return 'number'
    if (stream.match(/^[:=<>!~()[\]{},|?]+/)) return 'operator'
    if (stream.match(/^[^\s:=<>!()[\]{},"']+/)) return language === 'eql' ? 'variableName' : 'string'
    stream.next()
    return null
  }
}

/** Tokens of a language, and their colours from the tokens of the theme. */
export function highlighting(language: Language) {
  return [
    StreamLanguage.define({ token: tokenise(language), startState: () => null }),
    syntaxHighlighting(HighlightStyle.define([
      { tag: tags.propertyName, color: 'var(--code-key)' },
      { tag: tags.string, color: 'var(--code-str)' },
      { tag: tags.number, color: 'var(--code-num)' },
      { tag: tags.operator, color: 'var(--text-3)' },
      { tag: tags.keyword, color: 'var(--text-2)', fontWeight: '600' },
      { tag: tags.comment, color: 'var(--text-3)' },
      { tag: tags.variableName, color: 'var(--text-1)' },
    ])),
  ]
}

/** How well a field answers what was typed: parts match in any order (`geo dest` finds `destination.geo`); -1 is not at all. */
export function rankField(name: string, typed: string): number {
  const lower = name.toLowerCase()
  const parts = typed.toLowerCase().split(/[\s.]+/).filter(Boolean)
  if (!parts.every((part) => lower.includes(part))) return -1
  const whole = typed.toLowerCase().trim()
  const starts = lower.startsWith(whole) ? 100 : lower.includes(`.${whole}`) ? 60 : 0
  return starts + 40 - Math.min(40, name.length / 2)
}

/** A completion as the API has it: replace `start` to `end` by `insert`. */
export interface Suggested {
  insert: string
  label: string
  kind: string
  detail: string
  start: number
  end: number
}

/** Asks for what could stand at the caret; a failure is no completion, not an error in one's way. */
export function completions(ask: (text: string, cursor: number, signal: AbortSignal) => Promise<readonly Suggested[]>): CompletionSource {
  return async (context: CompletionContext): Promise<CompletionResult | null> => {
    if (!context.explicit && !context.matchBefore(/[@\w.:"]$/)) return null
    const stop = new AbortController()
    context.addEventListener('abort', () => { stop.abort() }, { onDocChange: true })
    const found = await ask(context.state.doc.toString(), context.pos, stop.signal).catch(() => [])
    if (found.length === 0 || context.aborted) return null
    const from = Math.min(...found.map(({ start }) => start))
    return {
      from,
      filter: false,
      options: found.map((suggestion, index): Completion => ({
        label: suggestion.label, type: suggestion.kind, detail: suggestion.detail, boost: 99 - Math.min(198, index),
        apply: (view) => {
          view.dispatch({
            changes: { from: suggestion.start, to: Math.max(suggestion.end, view.state.selection.main.head), insert: suggestion.insert },
            selection: { anchor: suggestion.start + suggestion.insert.length },
            userEvent: 'input.complete',
          })
        },
      })),
    }
  }
}
