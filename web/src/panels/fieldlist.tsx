/** The fields of what was found: find, toggle as columns, look at top values. */
import { Popover } from '@mantine/core'
import { IconMinus, IconPlus } from '@tabler/icons-react'
import { useMemo, useState } from 'react'

import { usePresent, useFields } from '../api/search'
import type { SearchRequest } from '../api/types'
import { Find } from '../ui/controls'
import { count } from '../ui/format'
import { rankField } from '../ui/querylang'
import { KindMark } from './document'
import { TopValues } from './topvalues'

interface FieldListProps {
  search: SearchRequest
  renew: number | false
  /** How many have each field, where the store can't be asked: the matches of a sequence. */
  counts?: Readonly<Record<string, number>> | undefined
  columns: readonly string[]
  onToggle: (field: string) => void
  /** The field whose top values stand open. */
  open: string | undefined
  onOpen: (field: string | undefined) => void
  /** On narrow screens it opens over the table. */
  shown: boolean
}

/** Columns, then what the matches have, then what they have not. */
export function FieldList({ search, renew, counts, columns, onToggle, open, onOpen, shown }: FieldListProps) {
  const [find, setFind] = useState('')
  const [empty, setEmpty] = useState(false)
  const fields = useFields().data
  const counted = usePresent(search, renew, counts === undefined).data
  const present = counts ?? counted
  const groups = useMemo(() => {
    const known = new Map((fields ?? []).map((field) => [field.name, field]))
    const names = new Set([...known.keys(), ...Object.keys(present ?? {})])
    const fits = (name: string) => find.trim() === '' || rankField(name, find) >= 0
    const has = (name: string) => {
      const alias = known.get(name)?.alias_of
      return present?.[name] ?? (alias ? present?.[alias] : undefined) ?? 0
    }
    const rest = [...names].filter((name) => !columns.includes(name) && fits(name))
    const order = (a: string, b: string) => (find.trim() === '' ? a.localeCompare(b) : rankField(b, find) - rankField(a, find))
    return {
      kind: (name: string) => known.get(name)?.kind,
      has,
      columns: columns.filter(fits),
      available: rest.filter((name) => has(name) > 0).sort(order),
      none: rest.filter((name) => has(name) === 0).sort(order),
    }
  }, [fields, present, columns, find])
  const line = (name: string, picked: boolean, none = false) => (
    <Popover key={name} opened={open === name} onChange={(is) => { if (!is) onOpen(undefined) }} position="right-start" offset={4} transitionProps={{ duration: 0 }} withRoles={false} trapFocus returnFocus>
      <Popover.Target>
        <div className={`fld${picked ? ' picked' : ''}${none ? ' none' : ''}${open === name ? ' on' : ''}`}>
          <button type="button" onClick={() => { onOpen(open === name ? undefined : name) }} title={`${name}${groups.has(name) > 0 ? `, in ${count(groups.has(name))} events` : ''}`}>
            <KindMark kind={groups.kind(name)} /><span className="cut">{name}</span>
          </button>
          <button type="button" className="toggle" aria-pressed={picked} aria-label={picked ? `Remove column ${name}` : `Add column ${name}`} title={picked ? 'Remove column' : 'Add column'} onClick={() => { onToggle(name) }}>
            {picked ? <IconMinus size={14} /> : <IconPlus size={14} />}
          </button>
        </div>
      </Popover.Target>
      <Popover.Dropdown role="dialog" aria-label={`Top values of ${name}`}>
        {open === name && <TopValues field={name} kind={groups.kind(name)} search={search} picked={picked} onToggle={() => { onToggle(name) }} onClose={() => { onOpen(undefined) }} />}
      </Popover.Dropdown>
    </Popover>
  )
  return (
    <div className={shown ? 'fields shown' : 'fields'} role="region" aria-label="Fields">
      <Find label="Find a field" value={find} onChange={setFind} />
      <div className="scroll grow" style={{ paddingBottom: 12 }}>
        {groups.columns.length > 0 && <h3>Columns <span>{groups.columns.length}</span></h3>}
        {groups.columns.map((name) => line(name, true))}
        <h3>Available <span>{groups.available.length}</span></h3>
        {groups.available.slice(0, 300).map((name) => line(name, false))}
        {groups.none.length > 0 && (
          <h3><button type="button" className="link plain" aria-expanded={empty} onClick={() => { setEmpty(!empty) }}>{empty ? 'Hide' : 'Show'} empty</button> <span>{groups.none.length}</span></h3>
        )}
        {(empty || (find.trim() !== '' && groups.available.length === 0)) && groups.none.slice(0, 100).map((name) => line(name, false, true))}
      </div>
    </div>
  )
}
