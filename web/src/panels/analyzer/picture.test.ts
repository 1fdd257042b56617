import { describe, expect, it } from 'vitest'

import { graph } from '../../../e2e/fixtures/story'
import { toPicture } from './picture'

describe('the picture of the worked example', () => {
  const picture = toPicture(graph)

  it('keeps the path: shell, script, shell, shell, script, shell, connection', () => {
    expect(picture.nodes.filter(({ path }) => path).map(({ name, kind }) => `${kind} ${name}`)).toEqual(['process cmd.exe', 'script testing.bat', 'process powershell.exe', 'process cmd.exe', 'script shell.bat', 'process powershell.exe', 'connection 10.0.0.5:4444'])
    expect(picture.nodes.filter(({ trigger }) => trigger).map(({ id }) => id)).toEqual(['p8236'])
  })

  it('writes elapsed time on the path, and what joins on joins', () => {
    const label = (id: string) => picture.edges.find((edge) => edge.id === id)?.label
    expect([label('e1'), label('e5'), label('j1'), label('j2'), label('j0'), label('p6120-p6132')]).toEqual(['7.34 s', '0.53 s', 'wrote it, 19.1 s before', 'same file', 'served it', undefined])
  })

  it('keeps what stands beside the path bright, and knows what host and network both saw', () => {
    const by = new Map(picture.nodes.map((node) => [node.id, node]))
    expect([by.get('p5508')?.near, by.get('c8000')?.near, by.get('p6132')?.near]).toEqual([true, true, false])
    expect([by.get('c4444')?.joined, by.get('c8000')?.joined]).toEqual([true, false])
  })
})
