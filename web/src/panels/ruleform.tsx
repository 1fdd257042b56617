/** A rule from a search: name it, see what it would have found, switch it on. */
import { Modal } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'

import { useMakeRule, usePreviewRule } from '../api/rules'
import type { RuleDraft } from '../api/types'
import { Histogram } from '../ui/chart'
import { Field, Segments } from '../ui/controls'
import { asText, count, plural } from '../ui/format'
import { Failed } from '../ui/loaded'
import { Severity } from '../ui/severity'
import { Code, Time } from '../ui/text'
import type { Language } from '../ui/querylang'
import { toBins } from './bins'

const RISK: Record<NonNullable<RuleDraft['severity']>, number> = { low: 21, medium: 47, high: 73, critical: 99 }
const words = (text: string) => text.split(/\s*,\s*/).filter(Boolean)

interface RuleFormProps {
  language: Language
  /** The query with the pills in it. */
  query: string
  start: string
  end: string
  onClose: () => void
}

/** Preview runs over the span of the search. */
export function RuleForm({ language, query, start, end, onClose }: RuleFormProps) {
  const [name, setName] = useState('')
  const [description, setDescription] = useState('')
  const [severity, setSeverity] = useState<NonNullable<RuleDraft['severity']>>('medium')
  const [kind, setKind] = useState<'each' | 'threshold'>('each')
  const [by, setBy] = useState('host.name')
  const [value, setValue] = useState(5)
  const [minutes, setMinutes] = useState(10)
  const [suppress, setSuppress] = useState('host.name')
  const [tags, setTags] = useState('')
  const make = useMakeRule()
  const preview = usePreviewRule()
  const navigate = useNavigate()
  const draft = (enabled: boolean): RuleDraft => ({
    name: name.trim() || 'Untitled', description: description.trim(), language, query, severity, risk_score: RISK[severity], tags: words(tags), enabled,
    threshold: kind === 'threshold' ? { by: words(by), value, minutes } : null, suppress_by: kind === 'each' ? words(suppress) : [], suppress_minutes: 60, start, end,
  })
  const keep = (enabled: boolean) => { make.mutate(draft(enabled), { onSuccess: ({ rule }) => { void navigate({ to: '/rules/$id', params: { id: rule.id } }) } }) }
  return (
    <Modal opened onClose={onClose} title="New rule from this search" size={760} transitionProps={{ duration: 0 }}>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          if (name.trim() !== '') keep(true)
        }}
      >
        <Code text={query === '' ? '(every event)' : query} label={`Query in ${language.toUpperCase()}`} />
        <Field label="Name" help="Name the act, not the tool.">{(ids) => <input {...ids} className="input" required maxLength={200} data-autofocus value={name} onChange={(event) => { setName(event.target.value) }} />}</Field>
        <Field label="What it means, and what to do about it">{(ids) => <textarea {...ids} className="input" rows={2} value={description} onChange={(event) => { setDescription(event.target.value) }} />}</Field>
        <div className="row wrap" style={{ gap: 16 }}>
          <div className="field"><span>Severity</span><Segments label="Severity" value={severity} onChange={setSeverity} choices={(['low', 'medium', 'high', 'critical'] as const).map((each) => ({ value: each, label: <Severity severity={each} /> }))} /></div>
          {language === 'kql' && <div className="field"><span>Raise</span><Segments label="Raise" value={kind} onChange={setKind} choices={[{ value: 'each', label: 'for each event' }, { value: 'threshold', label: 'past a threshold' }]} /></div>}
        </div>
        {kind === 'threshold' && language === 'kql' ? (
          <div className="row wrap" style={{ gap: 12, alignItems: 'flex-start' }}>
            <Field label="At least">{(ids) => <input {...ids} className="input" type="number" min={1} style={{ width: 90 }} value={value} onChange={(event) => { setValue(Math.max(1, event.target.valueAsNumber || 1)) }} />}</Field>
            <Field label="Within minutes">{(ids) => <input {...ids} className="input" type="number" min={1} style={{ width: 110 }} value={minutes} onChange={(event) => { setMinutes(Math.max(1, event.target.valueAsNumber || 1)) }} />}</Field>
            <Field label="For each value of" help="Fields with commas between; empty: of all events together">{(ids) => <input {...ids} className="input mono" style={{ width: 300 }} value={by} onChange={(event) => { setBy(event.target.value) }} />}</Field>
          </div>
        ) : <Field label="Count repeats instead of raising them, for an hour, by" help="Fields with commas between; empty: raise each one">{(ids) => <input {...ids} className="input mono" value={suppress} onChange={(event) => { setSuppress(event.target.value) }} />}</Field>}
        <Field label="Tags" help="With commas between">{(ids) => <input {...ids} className="input" value={tags} onChange={(event) => { setTags(event.target.value) }} />}</Field>
        {preview.error && <Failed error={preview.error} />}
        {make.error && <Failed error={make.error} />}
        {preview.data && (
          <section aria-live="polite">
            <h2>It would have raised <small>{plural(preview.data.alerts, 'alert')} from {plural(preview.data.events, 'event')}, in {count(Math.round(preview.data.milliseconds))} ms</small></h2>
            {preview.data.warnings.map((warning) => <p key={warning} className="warn">{warning}</p>)}
            <Histogram label="Preview" bins={toBins(preview.data.histogram)} interval={preview.data.histogram.width_ms} height={80} />
            <ul className="points">
              {preview.data.samples.slice(0, 5).map((found) => <li key={found.id}><Time at={found.time} /><span className="cut">{asText(found.document['event.dataset'])} <span className="mono t2">{asText(found.document['process.command_line'] ?? found.document['url.path'] ?? found.document.message ?? found.document['host.name'])}</span></span></li>)}
            </ul>
          </section>
        )}
        <div className="row wrap">
          <button type="submit" className="btn primary" disabled={name.trim() === '' || make.isPending}>Make it and switch it on</button>
          <button type="button" className="btn" disabled={name.trim() === '' || make.isPending} onClick={() => { keep(false) }}>Make it, off</button>
          <button type="button" className="btn" disabled={preview.isPending} aria-busy={preview.isPending} onClick={() => { preview.mutate(draft(false)) }}>Preview</button>
          <span className="grow" />
          <button type="button" className="btn quiet" onClick={onClose}>Cancel</button>
        </div>
      </form>
    </Modal>
  )
}
