/** A field's value, and what can be done with it: on click, on Enter, or by its keys. */
import { Menu } from '@mantine/core'
import { IconChartBar, IconColumnInsertRight, IconCopy, IconTimeline, IconZoomIn, IconZoomOut } from '@tabler/icons-react'
import { createContext, useContext, useMemo, type ReactNode } from 'react'

import { asText } from './format'
import { Kbd, Truncated } from './text'

export type Scalar = string | number | boolean

/** What the page around offers for a value; what is absent is not shown. */
export interface ValueActions {
  filter?: (field: string, value: Scalar, not: boolean) => void
  toggleColumn?: (field: string) => void
  topValues?: (field: string) => void
  addToTimeline?: (field: string, value: Scalar) => void
}

const Actions = createContext<ValueActions>({})

/** Gives every value below it its actions. */
export function ValueActionsProvider({ actions, children }: { actions: ValueActions; children: ReactNode }) {
  return <Actions value={actions}>{children}</Actions>
}

/** The actions that the page around offers. */
export function useValueActions(): ValueActions {
  return useContext(Actions)
}

/** Put a text on the clipboard; where the browser refuses, nothing else breaks. */
export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    // Not a secure context, or not allowed: the text is still there to select.
  }
}

interface FieldValueProps {
  field: string
  value: unknown
  /** Shown whole and wrapped, not cut to a line. */
  whole?: boolean
  mono?: boolean
  /** Drawn instead of the text. */
  children?: ReactNode
}

/** A host's first label tells most: these are cut at their end. */
const FROM_LEFT = new Set(['host.name', 'host.hostname', 'user.name'])

const scalar = (value: unknown): Scalar | undefined =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined

/** Shows a value; a click or Enter opens its actions: f for, o out, c column, t top values, a timeline, y copy. */
export function FieldValue({ field, value, whole = false, mono = true, children }: FieldValueProps) {
  const actions = useValueActions()
  if (Array.isArray(value) && value.length > 0 && !children) {
    return <>{value.map((item: unknown, index) => <span key={index}>{index > 0 && <span className="t3">, </span>}<OneValue field={field} value={item} whole={whole} mono={mono} actions={actions} /></span>)}</>
  }
  return <OneValue field={field} value={value} whole={whole} mono={mono} actions={actions}>{children}</OneValue>
}

function OneValue({ field, value, whole, mono, children, actions }: FieldValueProps & { actions: ValueActions }) {
  const held = scalar(value)
  const text = asText(value)
  const choices = useMemo(() => {
    const list: { key: string; name: string; icon: ReactNode; run: () => void }[] = []
    const { filter, toggleColumn, topValues, addToTimeline } = actions
    if (filter && held !== undefined) {
      list.push({ key: 'f', name: 'Filter for', icon: <IconZoomIn className="icon" size={14} />, run: () => { filter(field, held, false) } })
      list.push({ key: 'o', name: 'Filter out', icon: <IconZoomOut className="icon" size={14} />, run: () => { filter(field, held, true) } })
    }
    if (addToTimeline && held !== undefined) list.push({ key: 'a', name: 'Add to timeline', icon: <IconTimeline className="icon" size={14} />, run: () => { addToTimeline(field, held) } })
    if (toggleColumn) list.push({ key: 'c', name: 'Toggle column', icon: <IconColumnInsertRight className="icon" size={14} />, run: () => { toggleColumn(field) } })
    if (topValues) list.push({ key: 't', name: 'Top values', icon: <IconChartBar className="icon" size={14} />, run: () => { topValues(field) } })
    list.push({ key: 'y', name: 'Copy whole', icon: <IconCopy className="icon" size={14} />, run: () => { void copyText(text) } })
    return list
  }, [actions, field, held, text])
  if (text === '' && !children) return <span className="t3" aria-label="not set">–</span>
  return (
    <Menu position="bottom-start" offset={4} transitionProps={{ duration: 0 }} withinPortal>
      <Menu.Target>
        <button
          type="button" className={`value${whole ? ' whole' : ''}${mono ? ' mono' : ''}`} title={whole ? undefined : text}
          onClick={(event) => { event.stopPropagation() }}
          onKeyDown={(event) => { if (event.key === 'Enter' || event.key === ' ') event.stopPropagation() }}
        >
          {children ?? (whole || FROM_LEFT.has(field) ? text : <Truncated text={text} mono={mono ?? true} />)}
        </button>
      </Menu.Target>
      <Menu.Dropdown
        onClick={(event) => { event.stopPropagation() }}
        onKeyDown={(event) => {
          const choice = choices.find(({ key }) => key === event.key)
          if (!choice) return
          event.preventDefault()
          event.stopPropagation()
          choice.run()
          event.currentTarget.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }))
        }}
      >
        <Menu.Label>{field}</Menu.Label>
        {choices.map((choice) => (
          <Menu.Item key={choice.key} leftSection={choice.icon} rightSection={<Kbd>{choice.key.toUpperCase()}</Kbd>} onClick={choice.run}>{choice.name}</Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
