/** The span of time a page shows: relative, absolute, renewed by itself. */
import { Popover } from '@mantine/core'
import { IconChevronDown, IconClock, IconRefresh } from '@tabler/icons-react'
import { useState } from 'react'

import { Field } from './controls'
import { usePrefs } from './prefs'
import { useNow } from './text'
import { PRESETS, formatTime, parseMoment, resolveSpan, spanLabel, type Span } from './time'

interface TimeRangePickerProps {
  span: Span
  onChange: (span: Span) => void
  /** Seconds between renewals; 0 is off. Absent: the page renews by itself. */
  refresh?: number
  onRefresh?: (seconds: number) => void
  /** Renew now. */
  onNow?: () => void
}

const EVERY = [0, 5, 10, 30, 60, 300] as const
const everyWords = (seconds: number) => (seconds === 0 ? 'off' : seconds < 60 ? `${seconds} s` : `${seconds / 60} min`)

/** A button with the span's name; behind it what is usual, and two fields for anything else. */
export function TimeRangePicker({ span, onChange, refresh, onRefresh, onNow }: TimeRangePickerProps) {
  const { zone } = usePrefs()
  const now = useNow()
  const [open, setOpen] = useState(false)
  const [from, setFrom] = useState(span.from)
  const [to, setTo] = useState(span.to)
  const { from: start, to: end } = resolveSpan(span, now)
  const wrongFrom = parseMoment(from, now) ? undefined : 'For instance now-24h, now/d or 2026-11-12 14:30'
  const wrongTo = parseMoment(to, now) ? undefined : 'For instance now or 2026-11-12 15:00'
  const pick = (next: Span) => {
    onChange(next)
    setOpen(false)
  }
  return (
    <div className="row" style={{ gap: 0 }}>
      <Popover opened={open} onChange={setOpen} position="bottom-end" width={420} transitionProps={{ duration: 0 }} trapFocus returnFocus withRoles>
        <Popover.Target>
          <button
            type="button" className="btn" title={`${formatTime(start, zone, 'full')} to ${formatTime(end, zone, 'full')} ${zone}`}
            onClick={() => {
              setFrom(span.from)
              setTo(span.to)
              setOpen((was) => !was)
            }}
          >
            <IconClock className="icon" size={14} />
            {spanLabel(span, zone)} <span className="t3 only-wide">{zone === 'UTC' ? 'UTC' : 'local'}</span>
            {refresh !== undefined && refresh > 0 && <span className="t3">every {everyWords(refresh)}</span>}
            <IconChevronDown className="icon" size={14} />
          </button>
        </Popover.Target>
        <Popover.Dropdown aria-label="Time range">
          <div className="timepick">
            <ul>
              {PRESETS.map((preset) => <li key={preset.name}><button type="button" aria-current={preset.from === span.from && preset.to === span.to} onClick={() => { pick({ from: preset.from, to: preset.to }) }}>{preset.name}</button></li>)}
            </ul>
            <form
              className="form"
              onSubmit={(event) => {
                event.preventDefault()
                if (wrongFrom === undefined && wrongTo === undefined) pick({ from: from.trim(), to: to.trim() })
              }}
            >
              <Field label="From, UTC" wrong={wrongFrom}>{(ids) => <input {...ids} className="input mono" value={from} data-autofocus onChange={(event) => { setFrom(event.target.value) }} />}</Field>
              <Field label="To, UTC" wrong={wrongTo}>{(ids) => <input {...ids} className="input mono" value={to} onChange={(event) => { setTo(event.target.value) }} />}</Field>
              <button type="submit" className="btn primary" disabled={wrongFrom !== undefined || wrongTo !== undefined}>Show this span</button>
              {refresh !== undefined && onRefresh && (
                <fieldset>
                  <legend className="t3" style={{ fontSize: 12, padding: 0, marginBottom: 4 }}>Renew by itself</legend>
                  <div className="row wrap" style={{ gap: 4 }}>
                    {EVERY.map((seconds) => <button key={seconds} type="button" className="btn sm" aria-pressed={refresh === seconds} onClick={() => { onRefresh(seconds) }}>{everyWords(seconds)}</button>)}
                  </div>
                </fieldset>
              )}
            </form>
          </div>
        </Popover.Dropdown>
      </Popover>
      {onNow && <button type="button" className="btn quiet icon-only" aria-label="Renew now" title="Renew now" onClick={onNow}><IconRefresh className="icon" size={14} /></button>}
    </div>
  )
}
