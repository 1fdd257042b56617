/**
 * The whole worked example on a real server that has seen `tocsin demo`: TOCSIN_URL, TOCSIN_USER, TOCSIN_PASSWORD.
 */
import { expect, test, type Page } from '@playwright/test'

import { ask, goIn, picture, url } from './steps'

const FOUR = ['Potential Metasploit PowerShell Payload Observed', 'Batch File Downloaded with Invoke-WebRequest', 'PowerShell Launched from a Batch File', 'Batch File Downloaded over an Unusual Port']

const grid = (page: Page, name: string) => page.getByRole('grid', { name })
const row = (page: Page, table: string, text: string | RegExp) => grid(page, table).getByRole('row').filter({ hasText: text })

/** Toggle fields on in the sidebar, finding each first. */
async function toggle(page: Page, fields: readonly string[]): Promise<void> {
  for (const field of fields) {
    await page.getByLabel('Find a field', { exact: true }).fill(field)
    await page.getByRole('button', { name: `Add column ${field}`, exact: true }).click()
  }
  await page.getByLabel('Find a field', { exact: true }).fill('')
  const heads = await grid(page, 'Documents').getByRole('columnheader').allInnerTexts()
  expect(heads.map((text) => text.replace(/\s/g, ''))).toEqual(['@timestamp', ...fields])
}

/** The cells of one row by the columns' names. */
async function cells(page: Page, text: string | RegExp): Promise<string[]> {
  const found = row(page, 'Documents', text).first()
  await expect(found).toBeVisible()
  return (await found.getByRole('gridcell').allTextContents()).map((cell) => cell.replace(/\s+/g, ' ').trim())
}

test.describe('the worked example', () => {
  test.skip(url === undefined, 'set TOCSIN_URL to a server that has seen tocsin demo')
  test.describe.configure({ timeout: 120_000 })
  test.beforeEach(({ page }) => {
    page.on('pageerror', (error) => { throw error })
  })

  test('security alerts shows the four; the last reads as a sentence; Analyze draws its path', async ({ page }) => {
    await goIn(page, '/alerts')
    for (const name of FOUR) await expect(row(page, 'Alerts', name).first()).toBeVisible()
    await picture(page, 'real-alerts')

    await row(page, 'Alerts', FOUR[0] ?? '').first().click()
    const flyout = page.getByRole('complementary', { name: 'Alert' })
    await expect(flyout.locator('.said')).toContainText(/powershell/i)
    await expect(flyout.getByRole('heading', { name: /Why it fired/ })).toBeVisible()
    await flyout.getByRole('tab', { name: /Table/ }).click()
    await expect(flyout.getByRole('listitem').first()).toBeVisible()
    await flyout.getByRole('tab', { name: 'JSON' }).click()
    await expect(flyout.getByRole('region', { name: 'Alert as JSON' })).toContainText('kibana.alert')
    await flyout.getByRole('tab', { name: 'Overview' }).click()
    await picture(page, 'real-alert')

    await flyout.getByRole('button', { name: 'Analyze', exact: true }).click()
    await expect(page).toHaveURL(/\/analyzer\?alert=/)
    const path = page.locator('.thing[data-path="true"]')
    await expect(path.first()).toBeVisible()
    const placed = await path.evaluateAll((nodes) => nodes.map((node) => ({ name: (node as HTMLElement).dataset.name ?? '', kind: (node as HTMLElement).dataset.kind ?? '', x: node.getBoundingClientRect().x })).sort((a, b) => a.x - b.x))
    await picture(page, 'real-analyzer')
    // What the demo names its files differs by seed; what the nodes are does not.
    expect(placed.map(({ kind }) => kind)).toEqual(['process', 'script', 'process', 'process', 'script', 'process', 'connection'])
    const names = placed.map(({ name }) => name.toLowerCase())
    expect([names[0], names[2], names[3], names[5]]).toEqual(['cmd.exe', 'powershell.exe', 'cmd.exe', 'powershell.exe'])
    expect(names[1]).toMatch(/\.(bat|cmd)$/)
    expect(names[4]).toMatch(/\.(bat|cmd)$/)
    expect(names[6]).toMatch(/:\d+$/)
    await expect(page.locator('.thing.trigger')).toHaveAttribute('data-name', /powershell\.exe/i)
    await expect(page.locator('.thing[data-path="true"] .mark').first()).toBeVisible()

    await page.locator('.thing.trigger').click()
    await expect(page.getByRole('complementary', { name: 'Details' })).toContainText(/command line/i)
    await picture(page, 'real-analyzer-node')
  })

  test('the alerts are one incident with its story, the portal is another', async ({ page }) => {
    await goIn(page, '/incidents')
    await expect(grid(page, 'Incidents')).toBeVisible()
    await picture(page, 'real-incidents')
    const dropper = row(page, 'Incidents', /shell|dropper|payload|powershell|batch/i).first()
    await dropper.click()
    await expect(page.getByRole('list', { name: 'What happened, in order' }).getByRole('listitem').first()).toBeVisible()
    await expect(page.getByRole('heading', { name: /Why it is one incident/ })).toBeVisible()
    await picture(page, 'real-incident')
  })

  test('Discover: event.dataset: zeek.http and six fields show the download', async ({ page }) => {
    await goIn(page, '/discover')
    await ask(page, 'event.dataset: zeek.http')
    await expect(grid(page, 'Documents').getByRole('row').nth(1)).toBeVisible()
    await toggle(page, ['event.action', 'http.response.code', 'url.path', 'url.extension', 'destination.ip', 'destination.port'])
    await ask(page, 'event.dataset: zeek.http and url.extension: (bat or cmd) and http.response.code: 200')
    // Not by the file's name alone: rows of the search before, a 404 among them, may still stand there.
    const download = await cells(page, /GET\s*200\s*\S*\.(bat|cmd)/i)
    await picture(page, 'real-discover-zeek')
    expect(download[1]).toBe('GET')
    expect(download[2]).toBe('200')
    expect(download[3]).toMatch(/\.(bat|cmd)$/i)
    expect(download[4]).toMatch(/^(bat|cmd)$/i)
    expect(download[5]).toMatch(/^[\d.]+$/)
    expect(Number(download[6])).toBeGreaterThan(0)
    // The address keeps it: another browser tab shows the same.
    const { href } = new URL(page.url())
    await page.goto(href)
    await expect(row(page, 'Documents', /\.(bat|cmd)/i).first()).toBeVisible()
  })

  test('Discover: Sysmon with four columns shows who started whom', async ({ page }) => {
    await goIn(page, '/discover')
    await ask(page, 'event.dataset: windows.sysmon_operational and process.name: powershell.exe and event.code: 1')
    await expect(grid(page, 'Documents').getByRole('row').nth(1)).toBeVisible()
    await toggle(page, ['process.parent.name', 'process.parent.command_line', 'process.command_line', 'host.hostname'])
    const started = await cells(page, /-nop -w hidden/i)
    await picture(page, 'real-discover-sysmon')
    expect(started[1]?.toLowerCase()).toBe('cmd.exe')
    expect(started[2]).toMatch(/\.(bat|cmd)/i)
    expect(started[3]).toMatch(/tcpclient/i)
    expect(started[4]).not.toBe('–')
  })

  test('home, rules and sources know what happened', async ({ page }) => {
    await goIn(page, '/')
    await expect(grid(page, 'Queue').getByRole('row').nth(1)).toBeVisible()
    await picture(page, 'real-home')
    await page.goto(`${url ?? ''}/rules`)
    for (const name of FOUR) await expect(row(page, 'Rules', name).first()).toBeAttached()
    await picture(page, 'real-rules')
    await page.goto(`${url ?? ''}/sources`)
    await expect(row(page, 'Sources', 'zeek.http').first()).toBeVisible()
    await picture(page, 'real-sources')
  })
})
