/** Where one can go from anywhere. */
import { IconBellRinging, IconBinaryTree2, IconChartBar, IconHome, IconSearch, IconSettings, IconShield, IconStack2, type Icon } from '@tabler/icons-react'

export interface Place {
  name: string
  /** Under the icon of the rail. */
  short: string
  to: string
  icon: Icon
  /** Not among the five of the narrow tab bar. */
  extra?: boolean
}

export const PLACES: readonly Place[] = [
  { name: 'Home', short: 'Home', to: '/', icon: IconHome },
  { name: 'Security alerts', short: 'Alerts', to: '/alerts', icon: IconBellRinging },
  { name: 'Incidents', short: 'Incidents', to: '/incidents', icon: IconStack2 },
  { name: 'Discover', short: 'Discover', to: '/discover', icon: IconSearch },
  { name: 'Analyzer', short: 'Analyzer', to: '/analyzer', icon: IconBinaryTree2, extra: true },
  { name: 'Rules', short: 'Rules', to: '/rules', icon: IconShield, extra: true },
  { name: 'Sources', short: 'Sources', to: '/sources', icon: IconChartBar },
  { name: 'Settings', short: 'Settings', to: '/settings', icon: IconSettings, extra: true },
]
