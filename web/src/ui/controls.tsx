/** Tabs, segments, search fields: controls that take keys as ARIA's patterns say. */
import { IconSearch, IconX } from '@tabler/icons-react'
import { useId, useRef, type KeyboardEvent, type ReactNode, type Ref } from 'react'

interface Choice<T extends string> {
  value: T
  label: ReactNode
  /** Stands behind the label: how many. */
  count?: number
}

interface PickProps<T extends string> {
  label: string
  choices: readonly Choice<T>[]
  value: T
  onChange: (value: T) => void
}

function moveFocus<T extends string>(event: KeyboardEvent, choices: readonly Choice<T>[], value: T, onChange: (value: T) => void) {
  const step = event.key === 'ArrowRight' || event.key === 'ArrowDown' ? 1 : event.key === 'ArrowLeft' || event.key === 'ArrowUp' ? -1 : 0
  if (step === 0) return
  event.preventDefault()
  const at = choices.findIndex((choice) => choice.value === value)
  const next = choices[(at + step + choices.length) % choices.length]
  if (!next) return
  onChange(next.value)
  const buttons = event.currentTarget.querySelectorAll<HTMLElement>('button')
  buttons[(at + step + choices.length) % choices.length]?.focus()
}

/** Which part of a thing to see. The panel below takes `tabPanel(value)`'s props. */
export function Tabs<T extends string>({ label, choices, value, onChange }: PickProps<T>) {
  return (
    <div className="tabs" role="tablist" aria-label={label} onKeyDown={(event) => { moveFocus(event, choices, value, onChange) }}>
      {choices.map((choice) => (
        <button key={choice.value} type="button" role="tab" aria-selected={choice.value === value} tabIndex={choice.value === value ? 0 : -1} onClick={() => { onChange(choice.value) }}>
          {choice.label}
          {choice.count !== undefined && <i>{choice.count}</i>}
        </button>
      ))}
    </div>
  )
}

/** One of a few, all in sight. */
export function Segments<T extends string>({ label, choices, value, onChange }: PickProps<T>) {
  return (
    <div className="seg" role="radiogroup" aria-label={label} onKeyDown={(event) => { moveFocus(event, choices, value, onChange) }}>
      {choices.map((choice) => (
        <button key={choice.value} type="button" role="radio" aria-checked={choice.value === value} tabIndex={choice.value === value ? 0 : -1} onClick={() => { onChange(choice.value) }}>
          {choice.label}
          {choice.count !== undefined && <span>{choice.count}</span>}
        </button>
      ))}
    </div>
  )
}

interface FindProps {
  label: string
  value: string
  onChange: (value: string) => void
  width?: number
  inputRef?: Ref<HTMLInputElement>
  onEnter?: () => void
}

/** A field that narrows a list as one types. `/` finds it when it is the page's main one. */
export function Find({ label, value, onChange, width, inputRef, onEnter }: FindProps) {
  const own = useRef<HTMLInputElement>(null)
  return (
    <div className="find" style={width === undefined ? undefined : { width }}>
      <IconSearch className="icon" size={14} aria-hidden />
      <input
        ref={inputRef ?? own} type="search" placeholder={label} aria-label={label} value={value} data-find
        onChange={(event) => { onChange(event.target.value) }}
        onKeyDown={(event) => {
          if (event.key === 'Escape' && value !== '') {
            event.stopPropagation()
            onChange('')
          }
          if (event.key === 'Enter') onEnter?.()
        }}
      />
      {value !== '' && <button type="button" className="btn quiet icon-only sm" style={{ height: 20, width: 20, minHeight: 0, minWidth: 0 }} aria-label="Clear" onClick={() => { onChange('') }}><IconX className="icon" size={12} /></button>}
    </div>
  )
}

interface FieldProps {
  label: string
  help?: ReactNode
  wrong?: string | undefined
  children: (ids: { id: string; 'aria-describedby': string | undefined; 'aria-invalid': boolean }) => ReactNode
}

/** A labelled control of a form, with its help and what is wrong with it. */
export function Field({ label, help, wrong, children }: FieldProps) {
  const id = useId()
  const note = wrong ?? help
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, 'aria-describedby': note === undefined ? undefined : `${id}-note`, 'aria-invalid': wrong !== undefined })}
      {note !== undefined && <div id={`${id}-note`} className={wrong === undefined ? 'help' : 'wrong'}>{note}</div>}
    </div>
  )
}
