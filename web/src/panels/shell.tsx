/** The rail at the left, and what stands on every page. */
import './shell.css'

import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import { IconBellFilled, IconContrast, IconMoon, IconSun } from '@tabler/icons-react'
import { Modal } from '@mantine/core'
import { useState } from 'react'

import { useLive } from '../api/live'
import { useStatus, useSources } from '../api/status'
import { useKeys } from '../ui/keys'
import { setPrefs, usePrefs, type Theme } from '../ui/prefs'
import { Kbd } from '../ui/text'
import { PLACES } from './places'
import { TimelineBar } from './timelinebar'

const NEXT: Record<Theme, Theme> = { dark: 'light', light: 'contrast', contrast: 'dark' }

/** Rail, page, timeline; keys that work everywhere. */
export function Shell() {
  useLive(true)
  const navigate = useNavigate()
  const [help, setHelp] = useState(false)
  useKeys({
    '?': () => { setHelp(true) },
    '/': () => {
      const field = document.querySelector<HTMLElement>('main [data-find]')
      field?.focus()
      return field !== null
    },
    g: () => { void navigate({ to: '/' }) },
  })
  return (
    <div className="app">
      <a className="skip btn primary" href="#main" onClick={(event) => {
        event.preventDefault()
        document.getElementById('main')?.focus()
      }}>Skip to content</a>
      <Rail />
      <Outlet />
      <TimelineBar />
      <Modal opened={help} onClose={() => { setHelp(false) }} title="Keys" size={460} transitionProps={{ duration: 0 }}>
        <Keys />
      </Modal>
    </div>
  )
}

function Rail() {
  const status = useStatus().data
  const sources = useSources().data
  const { theme } = usePrefs()
  const path = useRouterState({ select: (state) => state.location.pathname })
  const open = Object.values(status?.open_alerts ?? {}).reduce((sum, each) => sum + each, 0)
  const troubled = sources?.sources.filter((source) => source.status !== 'ok').length ?? 0
  const counts: Record<string, [number, hot: boolean]> = { '/alerts': [open, false], '/incidents': [status?.open_incidents ?? 0, true], '/sources': [troubled, false] }
  const place = ({ name, short, to, icon: PlaceIcon, extra }: (typeof PLACES)[number]) => {
    const on = to === '/' ? path === '/' : path === to || path.startsWith(`${to}/`)
    const [count, hot] = counts[to] ?? [0, false]
    return (
      <li key={to} className={extra ? 'extra' : undefined}>
        <Link to={to} className={on ? 'place on' : 'place'} aria-current={on ? 'page' : undefined} aria-label={count > 0 ? `${name}, ${count}` : name} title={name}>
          <PlaceIcon className="icon" size={18} />
          {short}
          {count > 0 && <span className={hot ? 'dot hot' : 'dot'} aria-hidden="true">{count > 99 ? '99+' : count}</span>}
        </Link>
      </li>
    )
  }
  const settings = PLACES.filter(({ to }) => to === '/settings')
  return (
    <nav className="rail" aria-label="Places">
      <Link to="/" className="bell" aria-label="Tocsin, home"><IconBellFilled size={20} /></Link>
      <ul>{PLACES.filter(({ to }) => to !== '/settings').map(place)}</ul>
      <ul>
        <li className="foot extra">
          <button type="button" className="place" title={`Theme: ${theme}`} aria-label={`Theme is ${theme}; change to ${NEXT[theme]}`} onClick={() => { setPrefs({ theme: NEXT[theme] }) }}>
            {theme === 'dark' ? <IconMoon className="icon" size={18} /> : theme === 'light' ? <IconSun className="icon" size={18} /> : <IconContrast className="icon" size={18} />}
            Theme
          </button>
        </li>
        {settings.map(place)}
      </ul>
    </nav>
  )
}

const KEYS: readonly (readonly [keys: readonly string[], what: string])[] = [
  [['j', 'k'], 'Next row, previous row'],
  [['Enter'], 'Open the row'],
  [['Esc'], 'Close what is open'],
  [['x'], 'Select the row'],
  [['a'], 'Analyze the open alert'],
  [['i'], 'Investigate: the events around it'],
  [['e'], 'Exclude what the open alert shows'],
  [['v', '1', '2', '3'], 'Verdict: attack, benign, false alarm'],
  [['n'], 'Write a note'],
  [['/'], 'Find on this page'],
  [['Ctrl', 'K'], 'Search or jump to anything'],
  [['g'], 'Home'],
  [['f', 'o', 'a', 'c', 't', 'y'], 'In the menu of a value: filter for, filter out, timeline, column, top values, copy'],
  [['←', '→', '↑', '↓'], 'In the Analyzer: walk the tree'],
  [['Home', '0', 'r'], 'In the Analyzer: the trigger, fit all, replay'],
  [['?'], 'This list'],
]

function Keys() {
  return (
    <dl className="kv" style={{ gridTemplateColumns: '150px 1fr' }}>
      {KEYS.map(([keys, what]) => (
        <div key={what} style={{ display: 'contents' }}>
          <dt className="row" style={{ gap: 3 }}>{keys.map((key) => <Kbd key={key}>{key}</Kbd>)}</dt>
          <dd>{what}</dd>
        </div>
      ))}
    </dl>
  )
}
