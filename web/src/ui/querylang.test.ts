import { CompletionContext, type CompletionResult } from '@codemirror/autocomplete'
import { EditorState } from '@codemirror/state'
import { describe, expect, it } from 'vitest'

import { completions, rankField } from './querylang'

describe('finding a field', () => {
  it('takes parts in any order of depth', () => {
    expect(rankField('destination.geo.city_name', 'geo dest')).toBeGreaterThanOrEqual(0)
    expect(rankField('source.ip', 'geo')).toBe(-1)
    expect(rankField('url.extension', 'url.ext')).toBeGreaterThan(rankField('file.url.extension_of', 'url.ext'))
    expect(rankField('a', '.*+?[')).toBe(-1)
  })
})

describe('completion', () => {
  const at = (doc: string) => new CompletionContext(EditorState.create({ doc }), doc.length, false)

  it('replaces what the server says, nothing when it fails', async () => {
    const source = completions(() => Promise.resolve([{ insert: 'url.extension: ', label: 'url.extension', kind: 'field', detail: 'keyword', start: 4, end: 7 }]))
    const found = (await source(at('not url'))) as CompletionResult
    expect(found.from).toBe(4)
    expect(found.options.map(({ label }) => label)).toEqual(['url.extension'])
    const failing = completions(() => Promise.reject(new Error('down')))
    expect(await failing(at('url'))).toBeNull()
  })

  it('does not ask on a space', async () => {
    let asked = 0
    const source = completions(() => {
      asked += 1
      return Promise.resolve([])
    })
    await source(at('a: b '))
    expect(asked).toBe(0)
  })
})
