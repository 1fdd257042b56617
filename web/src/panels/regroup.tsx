/** Which alerts belong together, by hand: one incident with another, or some of its alerts out of it. */
import { Menu } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { IconArrowMerge, IconArrowsSplit, IconCheck, IconChevronDown } from '@tabler/icons-react'
import { useState } from 'react'

import { useIncidents, useRegroup } from '../api/incidents'
import { useMe } from '../api/session'
import type { IncidentDetail } from '../api/types'
import { plural } from '../ui/format'
import { Failed } from '../ui/loaded'
import { Time } from '../ui/text'

/** Two menus; what a viewer may not do is not shown. */
export function Regroup({ detail }: { detail: IncidentDetail }) {
  const { incident, alerts } = detail
  const me = useMe().data
  const navigate = useNavigate()
  const [leaving, setLeaving] = useState<readonly string[]>([])
  const others = useIncidents({ statuses: ['open', 'acknowledged'], sort: 'last', size: 50 }).data?.incidents.filter(({ id }) => id !== incident.id) ?? []
  const regroup = useRegroup(incident.id)
  if (!me || me.role === 'viewer') return null
  const merge = (other: string) => {
    regroup.mutate({ how: 'merge', incidents: [other] }, { onSuccess: ({ incidents }) => { if (incidents[0]) void navigate({ to: '/incidents/$id', params: { id: incidents[0].id } }) } })
  }
  const split = () => { regroup.mutate({ how: 'split', alerts: [...leaving] }, { onSuccess: () => { setLeaving([]) } }) }
  const toggle = (id: string) => { setLeaving(leaving.includes(id) ? leaving.filter((each) => each !== id) : [...leaving, id]) }
  return (
    <>
      <div className="row wrap" style={{ marginTop: 8 }}>
        <Menu transitionProps={{ duration: 0 }} position="bottom-start">
          <Menu.Target><button type="button" className="btn quiet" disabled={regroup.isPending || others.length === 0}><IconArrowMerge className="icon" size={14} /> Merge with <IconChevronDown className="icon" size={14} /></button></Menu.Target>
          <Menu.Dropdown mah={320} style={{ overflowY: 'auto' }}>
            {others.map((other) => <Menu.Item key={other.id} onClick={() => { merge(other.id) }}>{other.title} <span className="t3"><Time at={other.last} /></span></Menu.Item>)}
          </Menu.Dropdown>
        </Menu>
        {alerts.length > 1 && (
          <Menu transitionProps={{ duration: 0 }} position="bottom-start" closeOnItemClick={false}>
            <Menu.Target><button type="button" className="btn quiet" disabled={regroup.isPending}><IconArrowsSplit className="icon" size={14} /> Split off <IconChevronDown className="icon" size={14} /></button></Menu.Target>
            <Menu.Dropdown mah={320} style={{ overflowY: 'auto' }}>
              {alerts.map((alert) => (
                <Menu.Item key={alert.id} leftSection={leaving.includes(alert.id) ? <IconCheck className="icon" size={14} /> : <span style={{ width: 14 }} />} onClick={() => { toggle(alert.id) }}>{alert.rule} <span className="t3"><Time at={alert.time} /></span></Menu.Item>
              ))}
              <Menu.Divider />
              <Menu.Item closeMenuOnClick disabled={leaving.length === 0 || leaving.length === alerts.length} onClick={split}>Split {plural(leaving.length, 'alert')} off</Menu.Item>
            </Menu.Dropdown>
          </Menu>
        )}
      </div>
      {regroup.error && <Failed error={regroup.error} />}
    </>
  )
}
