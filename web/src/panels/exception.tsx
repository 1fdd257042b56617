/** Leave something out of a rule: prefilled from the alert, with what it would hide before it does. */
import { Modal } from '@mantine/core'
import { IconPlus, IconTrash } from '@tabler/icons-react'
import { useState } from 'react'

import { useMakeException, usePreviewException } from '../api/rules'
import type { ApiFilter, ExceptionDraft, Part } from '../api/types'
import { Field } from '../ui/controls'
import { asText, count, plural } from '../ui/format'
import { Failed } from '../ui/loaded'
import { Time } from '../ui/text'

interface Entry {
  field: string
  operator: NonNullable<ApiFilter['operator']>
  value: string
  negate: boolean
  on: boolean
}

interface ExceptionDialogProps {
  rule: string
  ruleName: string
  /** Fields of the alert that say what it is about. */
  highlighted?: readonly Part[]
  onClose: () => void
}

const OPERATOR_WORDS = { is: 'is', is_one_of: 'is one of', matches: 'matches', exists: 'exists' } as const

const toEntry = (part: Part, index: number): Entry => ({ field: part.field ?? '', operator: 'is', value: asText(part.value ?? part.text), negate: false, on: index < 2 })

/** All conditions must hold; values are compared exactly. */
export function ExceptionDialog({ rule, ruleName, highlighted = [], onClose }: ExceptionDialogProps) {
  const [entries, setEntries] = useState<Entry[]>(() => {
    const given = highlighted.filter(({ field }) => field !== null).map(toEntry)
    return given.length > 0 ? given : [{ field: '', operator: 'is', value: '', negate: false, on: true }]
  })
  const [comment, setComment] = useState('')
  const [expires, setExpires] = useState('')
  const [close, setClose] = useState(false)
  const preview = usePreviewException(rule)
  const make = useMakeException(rule)
  const used = entries.filter(({ on, field }) => on && field.trim() !== '')
  const draft = (): ExceptionDraft => ({
    entries: used.map(({ field, operator, value, negate }) => ({ field: field.trim(), operator, negate, value: operator === 'exists' ? null : operator === 'is_one_of' ? value.split(/\s*,\s*/).filter(Boolean) : value })),
    comment: comment.trim(),
    expires: expires === '' ? null : new Date(`${expires}T00:00:00Z`).toISOString(),
    close_matching: close,
  })
  const change = (index: number, to: Partial<Entry>) => {
    setEntries(entries.map((entry, at) => (at === index ? { ...entry, ...to } : entry)))
    preview.reset()
  }
  return (
    <Modal opened onClose={onClose} title={`Exclude from: ${ruleName}`} size={680} transitionProps={{ duration: 0 }}>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          make.mutate(draft(), { onSuccess: onClose })
        }}
      >
        <p className="t2">The rule stays silent where every ticked condition holds. Letter case counts.</p>
        <div className="form" style={{ gap: 6 }}>
          {entries.map((entry, index) => (
            <div key={index} className="row">
              <input type="checkbox" className="check" aria-label={`Use condition ${index + 1}`} checked={entry.on} onChange={() => { change(index, { on: !entry.on }) }} />
              <input className="input mono" aria-label={`Field ${index + 1}`} placeholder="field" value={entry.field} onChange={(event) => { change(index, { field: event.target.value }) }} />
              <select className="input" style={{ width: 160, flex: 'none' }} aria-label={`Operator ${index + 1}`} value={`${entry.negate ? 'not ' : ''}${entry.operator}`} onChange={(event) => {
                const text = event.target.value
                change(index, { negate: text.startsWith('not '), operator: text.replace('not ', '') as Entry['operator'] })
              }}>
                {(Object.keys(OPERATOR_WORDS) as (keyof typeof OPERATOR_WORDS)[]).flatMap((operator) => [
                  <option key={operator} value={operator}>{OPERATOR_WORDS[operator]}</option>,
                  <option key={`not ${operator}`} value={`not ${operator}`}>{operator === 'is' ? 'is not' : operator === 'is_one_of' ? 'is not one of' : operator === 'matches' ? 'does not match' : 'does not exist'}</option>,
                ])}
              </select>
              {entry.operator !== 'exists' && <input className="input mono" aria-label={`Value ${index + 1}`} placeholder={entry.operator === 'is_one_of' ? 'a, b, c' : 'value'} value={entry.value} onChange={(event) => { change(index, { value: event.target.value }) }} />}
              <button type="button" className="btn quiet icon-only" aria-label={`Remove condition ${index + 1}`} onClick={() => { setEntries(entries.filter((_, at) => at !== index)) }}><IconTrash className="icon" size={14} /></button>
            </div>
          ))}
          <div><button type="button" className="btn quiet" onClick={() => { setEntries([...entries, { field: '', operator: 'is', value: '', negate: false, on: true }]) }}><IconPlus className="icon" size={14} /> Condition</button></div>
        </div>
        <Field label="Why" help="Whoever reads it next year will ask.">{(ids) => <textarea {...ids} className="input" rows={2} value={comment} onChange={(event) => { setComment(event.target.value) }} />}</Field>
        <Field label="Until" help="Empty: no end.">{(ids) => <input {...ids} className="input" type="date" style={{ width: 180 }} value={expires} onChange={(event) => { setExpires(event.target.value) }} />}</Field>
        <label className="row"><input type="checkbox" className="check" checked={close} onChange={() => { setClose(!close) }} /> Close the open alerts that it hides</label>
        {preview.error && <Failed error={preview.error} />}
        {make.error && <Failed error={make.error} />}
        {preview.data && (
          <section aria-live="polite">
            <h2>It would have hidden <small>{count(preview.data.alerts)} of {plural(preview.data.total, 'alert')} in 30 days</small></h2>
            <ul className="points">
              {preview.data.samples.slice(0, 6).map((alert) => <li key={alert.id}><Time at={alert.time} /><span>{alert.reason}</span></li>)}
            </ul>
          </section>
        )}
        <div className="row">
          <button type="submit" className="btn primary" disabled={used.length === 0 || make.isPending}>Exclude it</button>
          <button type="button" className="btn" disabled={used.length === 0 || preview.isPending} onClick={() => { preview.mutate(draft()) }}>Preview what it hides</button>
          <span className="grow" />
          <button type="button" className="btn quiet" onClick={onClose}>Cancel</button>
        </div>
      </form>
    </Modal>
  )
}
