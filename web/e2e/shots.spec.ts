/** Pictures of every page, for people to look at: set SHOTS to a folder. */
import { test } from '@playwright/test'

import { serve, type World } from './fixtures/answers'

const folder = process.env.SHOTS

const PAGES: readonly [name: string, path: string, world?: World][] = [
  ['home', '/'],
  ['welcome', '/', { empty: true }],
  ['alerts', '/alerts'],
  ['alert', '/alerts?alert=al-4&group=host.name'],
  ['incidents', '/incidents'],
  ['incident', '/incidents/INC-7f3a'],
  ['discover', '/discover?q=event.dataset:%20zeek.http'],
  ['discover-columns', '/discover?q=event.dataset:%20zeek.http&columns=%5B%22event.action%22,%22http.response.code%22,%22url.path%22,%22url.extension%22,%22destination.ip%22,%22destination.port%22%5D&doc=ev-14:32:14.027'],
  ['analyzer', '/analyzer?alert=al-4&node=p8236'],
  ['analyzer-many', '/analyzer?alert=al-4&all=true', { crowd: true }],
  ['analyzer-many-path', '/analyzer?alert=al-4', { crowd: true }],
  ['rules', '/rules'],
  ['rule', '/rules/rule-al-2'],
  ['sources', '/sources?source=zeek.http%20file%20%2Fvar%2Flog%2Fzeek'],
  ['settings-people', '/settings/people'],
  ['settings-keys', '/settings/keys'],
  ['settings-notifications', '/settings/notifications'],
  ['settings-lists', '/settings/lists'],
  ['sign-in', '/', { signedIn: false }],
  ['set-up', '/?token=abc', { signedIn: false, setUp: true }],
]

test.describe('pictures', () => {
  test.skip(folder === undefined, 'set SHOTS to a folder to take them')
  for (const theme of ['dark', 'light', 'contrast'] as const) {
    for (const width of [1440, 390] as const) {
      for (const [name, path, world] of PAGES) {
        if (theme === 'contrast' && (width === 390 || !/^(analyzer|alert)$/.test(name))) continue
        test(`${name} ${theme} ${width}`, async ({ page }) => {
          await page.setViewportSize({ width, height: width === 390 ? 844 : 900 })
          await page.addInitScript((picked) => { localStorage.setItem('tocsin.prefs', JSON.stringify({ theme: picked })) }, theme)
          await serve(page, { ...world })
          await page.goto(path)
          await page.waitForLoadState('networkidle')
          await page.waitForTimeout(name.startsWith('analyzer') ? 1200 : 350)
          await page.screenshot({ path: `${folder ?? '.'}/${name}-${width}-${theme}.png` })
        })
      }
    }
  }
})
