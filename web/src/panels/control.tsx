/** A drop-down control: any of a few, with how many each has. */
import { Menu } from '@mantine/core'
import { IconCheck, IconChevronDown } from '@tabler/icons-react'
import { useState, type ReactNode } from 'react'

export interface ControlChoice {
  value: string
  label?: ReactNode
  count?: number
}

interface ControlProps {
  name: string
  choices: readonly ControlChoice[]
  picked: readonly string[]
  onPick: (values: string[]) => void
  /** Written when nothing is picked. */
  any?: string
  /** Values can be typed that are not among the choices. */
  free?: boolean
  /** What is picked is no filter: it is not marked as one. */
  plain?: boolean
  /** One at most; picking it closes the menu. */
  single?: boolean
  onOpen?: () => void
}

/** Nothing picked means any. */
export function Control({ name, choices, picked, onPick, any = 'Any', free = false, plain = false, single = false, onOpen }: ControlProps) {
  const [typed, setTyped] = useState('')
  const said = picked.length === 0 ? any : single ? picked.join() : plain ? String(picked.length) : picked.length <= 2 ? picked.map((value) => value.charAt(0).toUpperCase() + value.slice(1)).join(', ') : `${picked.length} picked`
  const fits = [...choices, ...picked.filter((value) => !choices.some((choice) => choice.value === value)).map((value): ControlChoice => ({ value }))].filter(({ value }) => value.toLowerCase().includes(typed.toLowerCase()))
  // Fields may be thousands: typing finds the rest.
  const shown = fits.slice(0, 200)
  const toggle = (value: string) => { onPick(picked.includes(value) ? picked.filter((other) => other !== value) : single ? [value] : [...picked, value]) }
  return (
    <Menu position="bottom-start" transitionProps={{ duration: 0 }} closeOnItemClick={single} {...(onOpen ? { onOpen } : {})}>
      <Menu.Target>
        <button type="button" className={picked.length > 0 && !plain ? 'pill set' : 'pill'}>{name} <b className="cut" style={{ maxWidth: 200 }}>{said}</b> <IconChevronDown className="icon" size={14} /></button>
      </Menu.Target>
      <Menu.Dropdown>
        {free && (
          <div style={{ padding: '4px 4px 6px' }}>
            <input
              className="input" aria-label={`Find ${name}`} placeholder={`Find ${name.toLowerCase()}`} value={typed} onChange={(event) => { setTyped(event.target.value) }}
              onKeyDown={(event) => {
                if (event.key === 'Enter' && typed.trim() !== '') {
                  toggle(typed.trim())
                  setTyped('')
                }
                if (event.key !== 'Escape' && event.key !== 'ArrowDown') event.stopPropagation()
              }}
            />
          </div>
        )}
        <Menu.Item leftSection={picked.length === 0 ? <IconCheck className="icon" size={14} /> : <span style={{ width: 14 }} />} onClick={() => { onPick([]) }}>{any}</Menu.Item>
        {shown.map((choice) => (
          <Menu.Item key={choice.value} leftSection={picked.includes(choice.value) ? <IconCheck className="icon" size={14} /> : <span style={{ width: 14 }} />} rightSection={choice.count === undefined ? undefined : <span className="t3 tm">{choice.count}</span>} onClick={() => { toggle(choice.value) }}>
            <span className="cut" style={{ display: 'block', maxWidth: 280 }}>{choice.label ?? choice.value}</span>
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
