/** Steps of an analyst on a real server. */
import { expect, type Page } from '@playwright/test'

/** The server to drive, from the environment. One started with `--no-auth` needs no name and no password. */
export const { TOCSIN_URL: url, TOCSIN_USER: user = '', TOCSIN_PASSWORD: password = '', SHOTS: shots } = process.env

/** Keep a picture, when somebody asked for pictures. */
export async function picture(page: Page, name: string): Promise<void> {
  if (shots !== undefined) await page.screenshot({ path: `${shots}/${name}.png` })
}

/** Open a page of the server, signing in on the way. */
export async function goIn(page: Page, path: string): Promise<void> {
  await page.goto(`${url ?? ''}${path}`)
  const form = page.getByRole('button', { name: 'Sign in', exact: true })
  await expect(form.or(page.getByRole('navigation', { name: 'Places' }))).toBeVisible()
  if (!(await form.isVisible())) return
  await page.getByLabel('Name').fill(user)
  await page.getByLabel('Password').fill(password)
  await form.click()
  await expect(page.getByRole('navigation', { name: 'Places' })).toBeVisible()
}

/** Type a query as an analyst does, and run it. */
export async function ask(page: Page, query: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Query' }).click()
  await page.keyboard.press('Control+a')
  await page.keyboard.type(query, { delay: 15 })
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: /^Run/ }).click()
}
