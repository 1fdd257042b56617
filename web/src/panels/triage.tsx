/** What people decide: status, owner, verdict, tags, notes. */
import { Menu } from '@mantine/core'
import { IconCheck, IconChevronDown, IconCircleCheck, IconCircleDashed, IconCopy, IconSlash, IconTag, IconTarget, IconUser, IconX } from '@tabler/icons-react'
import { useState } from 'react'

import { useMe } from '../api/session'
import { useAssignees } from '../api/settings'
import { useNote, useTriage, type Triaged } from '../api/alerts'
import type { Note, Triage, TriageChange, TriageStatus, Verdict } from '../api/types'
import { Failed } from '../ui/loaded'
import { Avatar, Kbd, Time } from '../ui/text'

export const STATUS_WORD: Record<TriageStatus, string> = { open: 'Open', acknowledged: 'Acknowledged', closed: 'Closed' }

export const VERDICTS: readonly { value: Verdict; word: string; short: string; className: string }[] = [
  { value: 'true_positive', word: 'Confirmed attack', short: 'Attack', className: 'verdict-confirmed' },
  { value: 'benign', word: 'Benign, expected', short: 'Benign', className: 'verdict-benign' },
  { value: 'false_positive', word: 'False alarm', short: 'False alarm', className: 'verdict-false' },
  { value: 'duplicate', word: 'Duplicate', short: 'Duplicate', className: 'verdict-none' },
]

function VerdictIcon({ verdict, size = 14 }: { verdict: Verdict | null; size?: number }) {
  const props = { size, className: 'icon', 'aria-hidden': true }
  switch (verdict) {
    case 'true_positive': return <IconTarget {...props} />
    case 'benign': return <IconCircleCheck {...props} />
    case 'false_positive': return <IconSlash {...props} />
    case 'duplicate': return <IconCopy {...props} />
    case null: return <IconCircleDashed {...props} />
  }
}

/** A verdict in its icon and word; null is none yet. */
export function VerdictMark({ verdict }: { verdict: Verdict | null }) {
  const found = VERDICTS.find(({ value }) => value === verdict)
  return <span className={`verdict ${found?.className ?? 'verdict-none'}`}><VerdictIcon verdict={verdict} />{found?.word ?? 'No verdict'}</span>
}

export interface Thing {
  id: string
  revision: number
}

/** Change several at once, with the revisions that were seen: what somebody else changed meanwhile is refused, not overwritten. */
export function useChange(of: Triaged) {
  const triage = useTriage(of)
  const change = (things: readonly Thing[], to: TriageChange) => {
    triage.mutate({ ids: things.map(({ id }) => id), change: to, revisions: Object.fromEntries(things.map(({ id, revision }) => [id, revision])) })
  }
  return { change, error: triage.error, pending: triage.isPending }
}

interface MenusProps {
  things: readonly Thing[]
  of: Triaged
  /** The common state of them, when there is one. */
  triage?: Triage
  /** With words instead of values: for many at once. */
  bulk?: boolean
}

const TAGS = ['Duplicate', 'False positive', 'Further investigation required']

/** Status, owner, verdict and tags as menus. */
export function TriageMenus({ things, of, triage, bulk = false }: MenusProps) {
  const { change, error, pending } = useChange(of)
  const me = useMe().data
  const people = useAssignees(me?.username)
  const [tag, setTag] = useState('')
  const tags = triage?.tags ?? []
  if (me?.role === 'viewer') return triage ? <span className="t2">{STATUS_WORD[triage.status]}</span> : null
  return (
    <>
      <Menu transitionProps={{ duration: 0 }} position="bottom-start">
        <Menu.Target>
          <button type="button" className="btn" disabled={pending}>{bulk || !triage ? 'Mark as' : STATUS_WORD[triage.status]} <IconChevronDown className="icon" size={14} /></button>
        </Menu.Target>
        <Menu.Dropdown>
          {(Object.keys(STATUS_WORD) as TriageStatus[]).map((status) => (
            <Menu.Item key={status} leftSection={triage?.status === status ? <IconCheck className="icon" size={14} /> : <span style={{ width: 14 }} />} onClick={() => { change(things, { status }) }}>{STATUS_WORD[status]}</Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <Menu transitionProps={{ duration: 0 }} position="bottom-start">
        <Menu.Target>
          <button type="button" className="btn quiet" aria-label={triage ? `Owner: ${triage.assignee ?? 'nobody'}` : 'Assign'} disabled={pending}>
            {bulk || !triage ? <><IconUser className="icon" size={14} /> Assign</> : <><Avatar name={triage.assignee} /> {triage.assignee ?? 'Nobody'}</>}
          </button>
        </Menu.Target>
        <Menu.Dropdown>
          {me && <Menu.Item onClick={() => { change(things, { assignee: me.username }) }}>Me</Menu.Item>}
          {people.filter((name) => name !== me?.username).map((name) => <Menu.Item key={name} onClick={() => { change(things, { assignee: name }) }}>{name}</Menu.Item>)}
          <Menu.Item onClick={() => { change(things, { assignee: '' }) }}>Nobody</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {bulk && (
        <Menu transitionProps={{ duration: 0 }} position="bottom-start">
          <Menu.Target><button type="button" className="btn quiet" disabled={pending}><IconTarget className="icon" size={14} /> Verdict</button></Menu.Target>
          <Menu.Dropdown>
            {VERDICTS.map(({ value, word, className }) => <Menu.Item key={value} leftSection={<span className={className}><VerdictIcon verdict={value} /></span>} onClick={() => { change(things, { verdict: value, status: 'closed' }) }}>{word}, and close</Menu.Item>)}
          </Menu.Dropdown>
        </Menu>
      )}
      <Menu transitionProps={{ duration: 0 }} position="bottom-start" closeOnItemClick={false}>
        <Menu.Target><button type="button" className="btn quiet" disabled={pending}><IconTag className="icon" size={14} /> {bulk || tags.length === 0 ? 'Tags' : tags.length}</button></Menu.Target>
        <Menu.Dropdown>
          {[...new Set([...TAGS, ...tags])].map((name) => (
            <Menu.Item key={name} leftSection={tags.includes(name) ? <IconCheck className="icon" size={14} /> : <span style={{ width: 14 }} />} onClick={() => { change(things, tags.includes(name) ? { remove_tags: [name] } : { add_tags: [name] }) }}>{name}</Menu.Item>
          ))}
          <form
            style={{ padding: '4px 8px' }}
            onSubmit={(event) => {
              event.preventDefault()
              if (tag.trim() !== '') change(things, { add_tags: [tag.trim()] })
              setTag('')
            }}
          >
            <input className="input" aria-label="New tag" placeholder="New tag" value={tag} maxLength={80} onChange={(event) => { setTag(event.target.value) }} onKeyDown={(event) => { event.stopPropagation() }} />
          </form>
        </Menu.Dropdown>
      </Menu>
      {error && <span className="bad" role="alert">{error.message}</span>}
    </>
  )
}

/** The three verdicts side by side; keys 1, 2 and 3 after v. */
export function VerdictButtons({ things, of, verdict }: { things: readonly Thing[]; of: Triaged; verdict: Verdict | null }) {
  const { change, error, pending } = useChange(of)
  const me = useMe().data
  if (me?.role === 'viewer') return <VerdictMark verdict={verdict} />
  return (
    <>
      <div className="verdicts" role="group" aria-label="Verdict">
        {VERDICTS.slice(0, 3).map(({ value, short, className }, index) => (
          <button key={value} type="button" className={`btn ${verdict === value ? className : ''}`} aria-pressed={verdict === value} disabled={pending} onClick={() => { change(things, { verdict: value, status: 'closed' }) }}>
            <VerdictIcon verdict={value} /> {short} <span className="only-wide"><Kbd>{String(index + 1)}</Kbd></span>
          </button>
        ))}
      </div>
      {error && <Failed error={error} />}
    </>
  )
}

/** Tags that were given, each to be taken off. */
export function Tags({ things, of, tags }: { things: readonly Thing[]; of: Triaged; tags: readonly string[] }) {
  const { change } = useChange(of)
  if (tags.length === 0) return null
  return (
    <span className="row wrap" style={{ gap: 4 }}>
      {tags.map((name) => (
        <span key={name} className="tag">{name}
          <button type="button" className="link plain" aria-label={`Remove tag ${name}`} onClick={() => { change(things, { remove_tags: [name] }) }}><IconX size={11} /></button>
        </span>
      ))}
    </span>
  )
}

/** What was written, oldest first, and a field for more. */
export function Notes({ of, id, notes }: { of: Triaged; id: string; notes: readonly Note[] }) {
  const [text, setText] = useState('')
  const note = useNote(of, id)
  const me = useMe().data
  return (
    <div className="form" style={{ padding: '12px 16px' }}>
      {notes.length === 0 && <p className="t3">Nobody wrote anything yet.</p>}
      {notes.map((each) => (
        <article key={`${each.time}${each.author}`}>
          <div className="row t3"><Avatar name={each.author} /> <b className="t2">{each.author}</b> <Time at={each.time} /></div>
          <p style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere', margin: '4px 0 0 26px' }}>{each.text}</p>
        </article>
      ))}
      {me?.role !== 'viewer' && (
        <form
          className="form"
          onSubmit={(event) => {
            event.preventDefault()
            if (text.trim() !== '') note.mutate(text.trim(), { onSuccess: () => { setText('') } })
          }}
        >
          <textarea className="input" rows={3} maxLength={10_000} aria-label="Note" placeholder="What did you find?" data-note value={text} onChange={(event) => { setText(event.target.value) }} />
          <div><button type="submit" className="btn" disabled={note.isPending || text.trim() === ''}>Add the note</button></div>
          {note.error && <Failed error={note.error} />}
        </form>
      )}
    </div>
  )
}
