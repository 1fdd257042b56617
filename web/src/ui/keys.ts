/** Keys that work wherever nobody is typing. */
import { useEffect, useRef } from 'react'

/** By key as `KeyboardEvent.key` has it, or `Ctrl+K`. A handler that returns false lets the key through. */
export type Keys = Readonly<Record<string, (event: KeyboardEvent) => unknown>>

const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && !(target instanceof HTMLInputElement && /^(checkbox|radio)$/.test(target.type)))

/** Listen while the component is there. Keys without Ctrl are left alone in text fields, menus and dialogs. */
export function useKeys(keys: Keys): void {
  const current = useRef(keys)
  useEffect(() => {
    current.current = keys
  })
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.altKey || event.isComposing) return
      const control = event.ctrlKey || event.metaKey
      const handler = current.current[control ? `Ctrl+${event.key.toUpperCase()}` : event.key]
      if (!handler) return
      if (!control && (typing(event.target) || (event.target instanceof Element && event.target.closest('[role="menu"],[role="dialog"],[role="listbox"]')))) return
      if (handler(event) !== false) event.preventDefault()
    }
    document.addEventListener('keydown', press)
    return () => { document.removeEventListener('keydown', press) }
  }, [])
}
