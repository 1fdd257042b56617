/** A new filter pill, by hand. */
import { Popover } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useState } from 'react'

import { useFields } from '../api/search'
import { Field } from '../ui/controls'
import type { Filter } from '../ui/filters'

const CHOICES = ['is', 'is not', 'is one of', 'is between', 'matches', 'exists', 'does not exist'] as const
type Choice = (typeof CHOICES)[number]

/** Numbers stay numbers where the field holds numbers. */
function held(text: string, kind: string | undefined): string | number | boolean {
  if ((kind === 'long' || kind === 'double') && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text)
  if (kind === 'boolean' && /^(true|false)$/.test(text)) return text === 'true'
  return text
}

/** The button and its form. */
export function AddFilter({ onAdd }: { onAdd: (filter: Filter) => void }) {
  const fields = useFields().data ?? []
  const [open, setOpen] = useState(false)
  const [field, setField] = useState('')
  const [choice, setChoice] = useState<Choice>('is')
  const [value, setValue] = useState('')
  const kind = fields.find(({ name }) => name === field.trim())?.kind
  const needsValue = !choice.includes('exist')
  const ready = field.trim() !== '' && (!needsValue || value.trim() !== '')
  const make = (): Filter => {
    const not = choice === 'is not' || choice === 'does not exist' ? { not: true } : {}
    const name = field.trim()
    if (!needsValue) return { field: name, op: 'exists', ...not }
    const parts = value.split(/\s*,\s*/).filter(Boolean).map((part) => held(part, kind))
    if (choice === 'is one of') return { field: name, op: 'is_one_of', value: parts }
    if (choice === 'is between') return { field: name, op: 'between', value: parts }
    if (choice === 'matches') return { field: name, op: 'matches', value: value.trim() }
    return { field: name, value: held(value, kind), ...not }
  }
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-start" transitionProps={{ duration: 0 }} trapFocus returnFocus withRoles>
      <Popover.Target><button type="button" className="btn quiet" onClick={() => { setOpen(!open) }}><IconPlus className="icon" size={14} /> Filter</button></Popover.Target>
      <Popover.Dropdown aria-label="New filter">
        <form
          className="add-filter"
          onSubmit={(event) => {
            event.preventDefault()
            if (!ready) return
            onAdd(make())
            setOpen(false)
            setField('')
            setValue('')
          }}
        >
          <Field label="Field">{(ids) => <input {...ids} className="input mono" list="filter-fields" data-autofocus value={field} onChange={(event) => { setField(event.target.value) }} />}</Field>
          <datalist id="filter-fields">{fields.slice(0, 2000).map(({ name }) => <option key={name} value={name} />)}</datalist>
          <Field label="Test">{(ids) => <select {...ids} className="input" value={choice} onChange={(event) => { setChoice(event.target.value as Choice) }}>{CHOICES.map((each) => <option key={each}>{each}</option>)}</select>}</Field>
          {needsValue && <Field label="Value" help={choice === 'is one of' ? 'Separated by commas' : choice === 'is between' ? 'Two values with a comma between' : choice === 'matches' ? '* stands for any text' : undefined}>{(ids) => <input {...ids} className="input mono" value={value} onChange={(event) => { setValue(event.target.value) }} />}</Field>}
          <button type="submit" className="btn primary" disabled={!ready}>Add the filter</button>
        </form>
      </Popover.Dropdown>
    </Popover>
  )
}
