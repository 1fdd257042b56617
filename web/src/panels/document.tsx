/** A document: its fields with their actions, or its JSON. */
import { useMemo, useState } from 'react'

import { useFields } from '../api/search'
import type { Document } from '../api/types'
import { Find } from '../ui/controls'
import { flatten } from '../ui/format'
import { Code } from '../ui/text'
import { FieldValue } from '../ui/value'

const LETTER: Record<string, string> = { keyword: 'k', text: 'x', long: '#', double: '#', boolean: 'b', date: 't', ip: 'ip', unknown: '?' }

/** The kind of a field as one letter. */
export function KindMark({ kind }: { kind: string | undefined }) {
  return <span className="type" title={kind ?? 'unknown'} aria-hidden="true">{LETTER[kind ?? 'unknown'] ?? '?'}</span>
}

/** Kinds of all fields by name. */
export function useKinds(): ReadonlyMap<string, string> {
  const fields = useFields().data
  return useMemo(() => new Map((fields ?? []).map(({ name, kind }) => [name, kind])), [fields])
}

/** Reads a field of a document, through its alias where it has one: `http.response.code` stands as `http.response.status_code`. */
export function useReader(): (document: Document, field: string) => unknown {
  const fields = useFields().data
  return useMemo(() => {
    const aliases = new Map((fields ?? []).flatMap(({ name, alias_of }) => (alias_of === null ? [] : [[name, alias_of] as const])))
    return (document: Document, field: string): unknown => document[field] ?? document[aliases.get(field) ?? field]
  }, [fields])
}

interface DocumentFieldsProps {
  document: Document
  /** Drawn first: the columns of the table. */
  pinned?: readonly string[]
}

/** Every field that has a value, to find and to act on. */
export function DocumentFields({ document, pinned = [] }: DocumentFieldsProps) {
  const [find, setFind] = useState('')
  const kinds = useKinds()
  const read = useReader()
  const rows = useMemo(() => {
    const aliased = Object.fromEntries(pinned.filter((field) => !(field in document)).map((field) => [field, read(document, field)]))
    const flat = Object.entries({ ...flatten(document), ...aliased }).filter(([, value]) => value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0))
    const wanted = find.toLowerCase()
    const rank = (field: string) => (pinned.includes(field) ? pinned.indexOf(field) - 1000 : 0)
    return flat
      .filter(([field, value]) => wanted === '' || field.toLowerCase().includes(wanted) || JSON.stringify(value).toLowerCase().includes(wanted))
      .sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b))
  }, [document, find, pinned, read])
  return (
    <div className="col grow">
      <div style={{ padding: '10px 14px' }}><Find label="Find a field or a value" value={find} onChange={setFind} /></div>
      <div className="scroll grow" role="list" aria-label="Fields">
        {rows.map(([field, value]) => (
          <div key={field} role="listitem" className={pinned.includes(field) ? 'facts-row pinned' : 'facts-row'}>
            <KindMark kind={kinds.get(field)} />
            <span className="name">{field}</span>
            <span><FieldValue field={field} value={value} whole /></span>
          </div>
        ))}
        {rows.length === 0 && <p className="t3" style={{ padding: '8px 16px' }}>No field and no value holds “{find}”.</p>}
      </div>
    </div>
  )
}

/** A document as JSON, indented. */
export function DocumentJson({ document, label = 'Document as JSON' }: { document: unknown; label?: string }) {
  const text = useMemo(() => JSON.stringify(document, null, 2), [document])
  return <div className="json scroll grow"><Code text={text} label={label} /></div>
}
