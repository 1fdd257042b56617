/** What an analyst decides and makes, on a real server (TOCSIN_URL and so on as in worked-example.spec.ts); it leaves the server as it was. */
import { expect, test, type Page } from '@playwright/test'

const { TOCSIN_URL: url, TOCSIN_USER: user = '', TOCSIN_PASSWORD: password = '', SHOTS: shots } = process.env
const picture = async (page: Page, name: string) => { if (shots !== undefined) await page.screenshot({ path: `${shots}/${name}.png` }) }

async function goIn(page: Page, path: string): Promise<void> {
  await page.goto(`${url ?? ''}${path}`)
  const form = page.getByRole('button', { name: 'Sign in', exact: true })
  await expect(form.or(page.getByRole('navigation', { name: 'Places' }))).toBeVisible()
  if (!(await form.isVisible())) return
  await page.getByLabel('Name').fill(user)
  await page.getByLabel('Password').fill(password)
  await form.click()
  await expect(page.getByRole('navigation', { name: 'Places' })).toBeVisible()
}

async function ask(page: Page, query: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Query' }).click()
  await page.keyboard.press('Control+a')
  await page.keyboard.type(query, { delay: 10 })
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: /^Run/ }).click()
}

test.describe('on a real server', () => {
  test.skip(url === undefined, 'set TOCSIN_URL to a server that has seen tocsin demo')
  test.describe.configure({ timeout: 120_000 })
  test.beforeEach(({ page }) => {
    page.on('pageerror', (error) => { throw error })
  })

  test('triage, a note and a tag are kept', async ({ page }) => {
    await goIn(page, '/alerts?status=%5B%22any%22%5D')
    await page.getByRole('grid', { name: 'Alerts' }).getByRole('row').filter({ hasText: 'PowerShell Launched from a Batch File' }).first().click()
    const flyout = page.getByRole('complementary', { name: 'Alert' })
    await flyout.getByRole('button', { name: 'Open', exact: true }).click()
    await page.getByRole('menuitem', { name: 'Acknowledged' }).click()
    await flyout.getByRole('button', { name: 'Acknowledged' }).click()
    await page.getByRole('menuitem', { name: 'Open' }).click()
    await expect(flyout.getByRole('button', { name: 'Open', exact: true })).toBeVisible()
    await flyout.getByRole('button', { name: 'Tags' }).click()
    await page.getByRole('menuitem', { name: 'Further investigation required' }).click()
    await expect(flyout.getByRole('button', { name: 'Remove tag Further investigation required' })).toBeVisible()
    await page.keyboard.press('Escape')
    await flyout.getByRole('button', { name: 'Remove tag Further investigation required' }).click()
    await expect(flyout.getByRole('button', { name: 'Remove tag Further investigation required' })).toHaveCount(0)
    await flyout.getByRole('tab', { name: /Notes/ }).click()
    await flyout.getByLabel('Note').fill('Seen by the tests.')
    await flyout.getByRole('button', { name: 'Add the note' }).click()
    await expect(flyout.getByText('Seen by the tests.').first()).toBeVisible()
  })

  test('an exception says what it would hide', async ({ page }) => {
    await goIn(page, '/alerts')
    await page.getByRole('grid', { name: 'Alerts' }).getByRole('row').filter({ hasText: 'Batch File Downloaded over an Unusual Port' }).first().click()
    await page.getByRole('button', { name: /Exclude this/ }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Preview what it hides' }).click()
    await expect(dialog.getByText(/of \d+ alerts? in 30 days/)).toBeVisible()
    await picture(page, 'real-exception')
  })

  test('completion, top values, an error in its place, Inspect', async ({ page }) => {
    await goIn(page, '/discover')
    await page.getByRole('textbox', { name: 'Query' }).click()
    await page.keyboard.type('event.data', { delay: 30 })
    await expect(page.locator('.cm-tooltip-autocomplete li').filter({ hasText: 'event.dataset' }).first()).toBeVisible()
    await picture(page, 'real-completion')
    await page.keyboard.press('Tab')
    await page.keyboard.type('zeek.h', { delay: 30 })
    await page.waitForTimeout(500)
    await page.keyboard.press('Escape')
    await ask(page, 'event.dataset: zeek.http and')
    await expect(page.getByRole('alert')).toContainText(/Line 1, column \d+/)
    await picture(page, 'real-problem')
    await ask(page, 'event.dataset: zeek.http')
    await expect(page.getByRole('grid', { name: 'Documents' }).getByRole('row').nth(1)).toBeVisible()
    await page.getByRole('button', { name: 'url.extension', exact: true }).click()
    await expect(page.getByRole('dialog', { name: 'Top values of url.extension' })).toContainText(/\d+(\.\d+)? %/)
    await picture(page, 'real-top')
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Inspect' }).click()
    await expect(page.getByRole('dialog')).toContainText('SELECT')
  })

  test('EQL: a sequence; Sigma: a rule’s detection', async ({ page }) => {
    await goIn(page, '/discover?lang=eql')
    await ask(page, 'sequence by host.name with maxspan=5m [process where process.name : "cmd.exe"] [process where process.name : "powershell.exe"]')
    await expect(page.getByText(/Sequence 1/)).toBeVisible()
    await picture(page, 'real-sequence')
    await page.goto(`${url ?? ''}/discover?lang=sigma&q=${encodeURIComponent('title: t\nlogsource: {category: process_creation, product: windows}\ndetection:\n  s: {Image|endswith: "\\\\powershell.exe"}\n  condition: s\n')}`)
    await expect(page.getByRole('grid', { name: 'Documents' }).getByRole('row').nth(1)).toBeVisible()
  })

  test('a rule from a search is previewed, made, and deleted', async ({ page }) => {
    await goIn(page, '/discover')
    await ask(page, 'event.dataset: zeek.http and url.extension: bat')
    await page.getByRole('button', { name: 'Create rule' }).first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Name').fill('Any Batch File by HTTP')
    await dialog.getByRole('button', { name: 'Preview' }).click()
    await expect(dialog.getByText(/alerts? from \d+ events?/)).toBeVisible()
    await picture(page, 'real-preview')
    await dialog.getByRole('button', { name: 'Make it and switch it on' }).click()
    await expect(page.getByRole('heading', { name: 'Any Batch File by HTTP', level: 2 })).toBeVisible()
    await picture(page, 'real-own-rule')
    await page.getByRole('button', { name: 'Delete' }).click()
    await expect(page).toHaveURL(/\/rules$/)
  })

  test('settings: a key is made and revoked; people, lists and the audit are read', async ({ page }) => {
    await goIn(page, '/settings/keys')
    await page.getByLabel('Name').fill('from the tests')
    await page.getByRole('button', { name: 'Make the key' }).click()
    await expect(page.getByText('This is the only time')).toBeVisible()
    await page.getByRole('row').filter({ hasText: 'from the tests' }).getByRole('button', { name: 'Revoke' }).click()
    await expect(page.getByRole('row').filter({ hasText: 'from the tests' })).toHaveCount(0)
    await page.getByRole('link', { name: 'People' }).click()
    await expect(page.getByRole('row').nth(1)).toBeVisible()
    await page.getByRole('link', { name: 'Notifications' }).click()
    await expect(page.getByRole('heading', { name: 'Lately told' })).toBeVisible()
    await picture(page, 'real-notifications')
    await page.getByRole('link', { name: 'Lists' }).click()
    await expect(page.getByRole('button', { name: /approved_scripts/ })).toBeVisible()
    await picture(page, 'real-lists')
    await page.getByRole('link', { name: 'Audit' }).click()
    await expect(page.getByRole('cell').first()).toBeVisible()
    await picture(page, 'real-audit')
  })
})
