/**
 * How long the Analyzer takes to draw 500 processes, on a real server: TOCSIN_URL and so on as in worked-example.spec.ts, and its
 * intake at TOCSIN_BULK (with TOCSIN_KEY where it asks for one). It prints milliseconds and judges none: a busy machine proves nothing.
 */
import { expect, test } from '@playwright/test'

import { goIn, picture, url } from './steps'

const { TOCSIN_BULK: bulk, TOCSIN_KEY: key } = process.env
const COUNT = 500
const NAMES = ['svchost.exe', 'msedge.exe', 'RuntimeBroker.exe', 'conhost.exe', 'ping.exe', 'csc.exe', 'whoami.exe', 'net.exe']

/** A tree of processes on one host: a shell with many children, those with some of their own; libraries, files and connections. */
function tree(host: string, start: number): string {
  const lines: string[] = []
  const put = (ms: number, fields: object) => { lines.push('{"create":{}}', JSON.stringify({ '@timestamp': new Date(start + ms).toISOString(), host: { name: host }, user: { name: 'ada' }, ...fields })) }
  for (let n = 0; n < COUNT; n += 1) {
    const name = n === 0 ? 'cmd.exe' : NAMES[Math.floor(n / 7) % NAMES.length] ?? ''
    const parent = n < 120 ? 0 : Math.floor((n - 100) / 4)
    const process = { entity_id: `${host}-${n}`, pid: 2000 + n, name, executable: `C:\\Windows\\System32\\${name}`, command_line: `${name} /n ${n}`, ...(n === 0 ? {} : { parent: { entity_id: `${host}-${parent}`, pid: 2000 + parent } }) }
    const event = (category: string, type: string) => ({ process, event: { dataset: 'lab.edr', kind: 'event', category: [category], type: [type] } })
    put(n * 20, event('process', 'start'))
    for (let dll = 0; dll < 3; dll += 1) put(n * 20 + 1 + dll, { ...event('library', 'start'), dll: { path: `C:\\Windows\\System32\\l${dll}.dll` } })
    if (n % 3 === 0) put(n * 20 + 5, { ...event('file', 'creation'), file: { path: `C:\\Temp\\f${n}.tmp` } })
    if (n % 10 === 0) put(n * 20 + 6, { ...event('network', 'start'), destination: { ip: `192.0.2.${n % 200}`, port: 443 }, network: { transport: 'tcp' } })
  }
  return `${lines.join('\n')}\n`
}

test('five hundred processes of a real server', async ({ page, request }) => {
  test.skip(url === undefined || bulk === undefined, 'set TOCSIN_URL and TOCSIN_BULK')
  test.setTimeout(180_000)
  const host = `many-${Date.now().toString(36)}`
  const sent = await request.post(`${bulk ?? ''}/logs-lab.edr-default/_bulk`, { data: tree(host, Date.now() - 60_000), headers: { 'Content-Type': 'application/x-ndjson', ...(key === undefined ? {} : { Authorization: `ApiKey ${key}` }) } })
  expect((await sent.json() as { errors: boolean }).errors).toBe(false)
  await goIn(page, `/discover?q=${encodeURIComponent(`host.name: ${host} and process.pid: 2000 and event.category: process`)}`)
  await expect(async () => {
    await page.getByRole('button', { name: /^Run/ }).click()
    await expect(page.getByText('Rows 1 to 1 of 1')).toBeVisible({ timeout: 2000 })
  }).toPass()
  await page.getByRole('grid', { name: 'Documents' }).getByRole('row').nth(1).click()
  await page.getByRole('button', { name: 'Analyze event' }).click()
  const figures: string[] = []
  for (let run = 0; run < 5; run += 1) {
    await page.waitForTimeout(1000)
    await page.reload()
    await page.locator('.react-flow__node').first().waitFor()
    figures.push(await page.evaluate(() => {
      const asked = performance.getEntriesByType('resource').find(({ name }) => name.includes('/analyzer?'))
      const [placed] = performance.getEntriesByName('layout', 'measure')
      return `page to nodes ${Math.round(performance.now())} ms, of that the graph ${Math.round(asked?.duration ?? 0)} ms, layout ${Math.round(placed?.duration ?? 0)} ms`
    }))
  }
  console.log(figures.join('\n'))
  await expect(page.getByText(`${COUNT} processes`).first()).toBeVisible()
  await picture(page, 'real-many')
})
