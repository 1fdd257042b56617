/** A panel at the right that pushes the page, can be resized, and becomes a sheet on narrow screens. */
import { IconX } from '@tabler/icons-react'
import { useEffect, useRef, useState, type ReactNode } from 'react'

import { useKeys } from './keys'
import { recall, remember } from './prefs'

interface FlyoutProps {
  label: string
  /** Its width is remembered under this name. */
  name: string
  onClose: () => void
  head: ReactNode
  foot?: ReactNode
  children: ReactNode
  width?: number
}

const clamp = (width: number) => Math.min(900, Math.max(340, width))

/** Escape closes it; the grip at its left takes the mouse and the arrow keys. */
export function Flyout({ label, name, onClose, head, foot, children, width = 520 }: FlyoutProps) {
  const [wide, setWide] = useState(() => clamp(recall(`width.${name}`, width)))
  const panel = useRef<HTMLElement>(null)
  useKeys({ Escape: onClose })
  useEffect(() => { remember(`width.${name}`, wide) }, [name, wide])
  return (
    <aside className="flyout" ref={panel} aria-label={label} style={{ width: wide }}>
      <button
        type="button" className="flyout-grip" role="separator" aria-label={`Resize: ${label}`} aria-orientation="vertical" aria-valuenow={wide} aria-valuemin={340} aria-valuemax={900}
        onKeyDown={(event) => {
          if (event.key === 'ArrowLeft') setWide((was) => clamp(was + 24))
          if (event.key === 'ArrowRight') setWide((was) => clamp(was - 24))
        }}
        onPointerDown={(event) => { event.currentTarget.setPointerCapture(event.pointerId) }}
        onPointerMove={(event) => {
          if (!event.currentTarget.hasPointerCapture(event.pointerId) || !panel.current) return
          setWide(clamp(panel.current.getBoundingClientRect().right - event.clientX))
        }}
      />
      <div className="flyout-head">
        {head}
        <button type="button" className="btn quiet icon-only" aria-label="Close" onClick={onClose}><IconX className="icon" size={16} /></button>
      </div>
      {children}
      {foot !== undefined && <div className="flyout-foot">{foot}</div>}
    </aside>
  )
}
