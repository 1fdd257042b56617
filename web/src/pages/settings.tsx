/** Settings: how the page looks, who may do what, keys, notifications, lists, and who did what. */
import './settings.css'

import { Link, useParams } from '@tanstack/react-router'

import { useMe } from '../api/session'
import { Page } from '../panels/page'
import { Appearance } from '../panels/settings/appearance'
import { Audit } from '../panels/settings/audit'
import { Keys } from '../panels/settings/keys'
import { Lists } from '../panels/settings/lists'
import { Notify } from '../panels/settings/notify'
import { People } from '../panels/settings/people'

const PARTS = [
  { part: 'appearance', name: 'Appearance', admin: false, draw: () => <Appearance /> },
  { part: 'people', name: 'People', admin: true, draw: () => <People /> },
  { part: 'keys', name: 'API keys', admin: true, draw: () => <Keys /> },
  { part: 'notifications', name: 'Notifications', admin: true, draw: () => <Notify /> },
  { part: 'lists', name: 'Lists', admin: false, draw: () => <Lists /> },
  { part: 'audit', name: 'Audit', admin: true, draw: () => <Audit /> },
] as const

/** On a narrow screen the parts stand in one line: the one that is shown is scrolled to. */
function intoSight(link: HTMLAnchorElement | null): void {
  const line = link?.parentElement
  if (link && line && line.scrollWidth > line.clientWidth) line.scrollLeft = link.offsetLeft - 16
}

/** The page. */
export function Settings() {
  const { part } = useParams({ strict: false })
  const me = useMe().data
  const shown = PARTS.find((each) => each.part === part) ?? PARTS[0]
  return (
    <Page title="Settings" note={me && `Tocsin ${me.version}`}>
      <div className="settings">
        <nav aria-label="Parts of the settings">
          {PARTS.filter(({ admin }) => !admin || me?.role === 'admin').map((each) => <Link key={each.part} to="/settings/$part" params={{ part: each.part }} aria-current={each.part === shown.part ? 'page' : undefined} ref={each.part === shown.part ? intoSight : undefined}>{each.name}</Link>)}
        </nav>
        <div>{shown.draw()}</div>
      </div>
    </Page>
  )
}
