/** Ctrl K: go anywhere, or search for what was typed. */
import { Modal } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { IconArrowRight, IconSearch } from '@tabler/icons-react'
import { useState } from 'react'

import { useKeys } from '../ui/keys'
import { quoteKql } from '../ui/filters'
import { Kbd } from '../ui/text'
import { PLACES } from './places'

interface Choice {
  name: string
  note: string
  go: () => void
}

/** The field in the top bar that opens it. */
export function JumpButton() {
  const [open, setOpen] = useState(false)
  useKeys({ 'Ctrl+K': () => { setOpen(true) } })
  return (
    <>
      <button type="button" className="find jump" aria-label="Search or jump to" onClick={() => { setOpen(true) }}>
        <IconSearch className="icon" size={14} />
        <span className="grow cut" style={{ textAlign: 'left' }}>Search or jump to</span>
        <span className="row only-wide" style={{ gap: 3 }}><Kbd>Ctrl</Kbd><Kbd>K</Kbd></span>
      </button>
      <Modal opened={open} onClose={() => { setOpen(false) }} title="Search or jump to" size={560} transitionProps={{ duration: 0 }} yOffset="12vh">
        {open && <JumpList done={() => { setOpen(false) }} />}
      </Modal>
    </>
  )
}

function JumpList({ done }: { done: () => void }) {
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const navigate = useNavigate()
  const typed = text.trim()
  const looks = typed === '' || /[:*]/.test(typed) ? typed : quoteKql(typed)
  const choices: Choice[] = [
    ...PLACES.filter(({ name }) => name.toLowerCase().includes(typed.toLowerCase())).map(({ name, to }) => ({ name, note: 'page', go: () => { void navigate({ to }) } })),
    ...(typed === '' ? [] : [
      { name: `Events with ${typed}`, note: 'Discover', go: () => { void navigate({ to: '/discover', search: { q: looks } }) } },
      { name: `Alerts with ${typed}`, note: 'Security alerts', go: () => { void navigate({ to: '/alerts', search: { q: looks } }) } },
      { name: `Rules with ${typed}`, note: 'Rules', go: () => { void navigate({ to: '/rules', search: { find: typed } }) } },
    ]),
  ]
  const chosen = Math.min(at, choices.length - 1)
  const take = (choice: Choice | undefined) => {
    if (!choice) return
    done()
    choice.go()
  }
  return (
    <>
      <input
        className="input" data-autofocus aria-label="Page, value or query" placeholder="A page, an address, a user, a query" value={text}
        role="combobox" aria-expanded="true" aria-controls="jump-list" aria-activedescendant={`jump-${chosen}`}
        onChange={(event) => {
          setText(event.target.value)
          setAt(0)
        }}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') setAt(Math.min(choices.length - 1, chosen + 1))
          else if (event.key === 'ArrowUp') setAt(Math.max(0, chosen - 1))
          else if (event.key === 'Enter') take(choices[chosen])
          else return
          event.preventDefault()
        }}
      />
      <div className="jump-list" role="listbox" id="jump-list" aria-label="Where to">
        {choices.map((choice, index) => (
          <div key={choice.name} id={`jump-${index}`} role="option" aria-selected={index === chosen} onMouseEnter={() => { setAt(index) }} onClick={() => { take(choice) }}>
            <IconArrowRight className="icon t3" size={14} />
            <span className="grow cut">{choice.name}</span>
            <span className="t3">{choice.note}</span>
          </div>
        ))}
      </div>
    </>
  )
}
