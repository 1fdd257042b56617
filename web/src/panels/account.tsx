/** Who is signed in, and how to leave. */
import { Menu } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { IconLogout, IconSettings } from '@tabler/icons-react'

import { useMe, useSignOut } from '../api/session'
import { initials } from '../ui/format'

/** The round mark at the right of the top bar. */
export function Account() {
  const me = useMe().data
  const out = useSignOut()
  const navigate = useNavigate()
  if (!me) return null
  return (
    <Menu position="bottom-end" transitionProps={{ duration: 0 }}>
      <Menu.Target>
        <button type="button" className="avatar" style={{ border: 0, padding: 0, cursor: 'pointer' }} aria-label={`Signed in as ${me.username}`}>{initials(me.username)}</button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{me.username}, {me.role}</Menu.Label>
        <Menu.Item leftSection={<IconSettings className="icon" size={14} />} onClick={() => { void navigate({ to: '/settings' }) }}>Settings</Menu.Item>
        <Menu.Item leftSection={<IconLogout className="icon" size={14} />} onClick={() => { out.mutate() }}>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
