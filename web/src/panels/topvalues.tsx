/** A field's commonest values, counted exactly, each to filter by. */
import { IconX, IconZoomIn, IconZoomOut } from '@tabler/icons-react'

import { useTop } from '../api/search'
import type { SearchRequest } from '../api/types'
import { asText, count, percent } from '../ui/format'
import { Loaded, SkeletonRows } from '../ui/loaded'
import { Truncated } from '../ui/text'
import { useValueActions, type Scalar } from '../ui/value'

interface TopValuesProps {
  field: string
  kind: string | undefined
  search: SearchRequest
  picked: boolean
  onToggle: () => void
  onClose: () => void
}

/** The popover behind a field. */
export function TopValues({ field, kind, search, picked, onToggle, onClose }: TopValuesProps) {
  const top = useTop({ ...search, field, limit: 10 }, true)
  const { filter } = useValueActions()
  const scalar = (value: unknown): value is Scalar => typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
  return (
    <div className="top">
      <div className="row"><b className="mono cut">{field}</b> <span className="t3">{kind}</span><span className="grow" /><button type="button" className="btn quiet icon-only sm" aria-label="Close" onClick={onClose}><IconX className="icon" size={14} /></button></div>
      <Loaded query={top} skeleton={<SkeletonRows rows={6} widths={[90, 60, 40]} height={25} />} isEmpty={({ values }) => values.length === 0} empty={<p className="t3" style={{ padding: '8px 0' }}>No event of this search has it.</p>}>
        {(page) => (
          <>
            <p className="t3" style={{ fontSize: 12, margin: '2px 0 6px' }}>Top values of {count(page.total)} events that have it, all counted; {count(page.missing)} have not</p>
            {page.values.map(({ value, count: has }) => (
              <div key={JSON.stringify(value)} className="value-row">
                <span className="cut"><Truncated text={asText(value)} /></span>
                <span className="meter"><i style={{ width: `${(has / Math.max(1, page.total)) * 100}%` }} /></span>
                <span className="t2 num" style={{ fontSize: 12 }}>{percent(has / Math.max(1, page.total))}</span>
                <button type="button" className="link num tm" aria-label={`${has} events with ${asText(value)}`} onClick={() => { if (scalar(value)) filter?.(field, value, false) }}>{count(has)}</button>
                <span className="row" style={{ gap: 0 }}>
                  <button type="button" className="btn quiet" aria-label={`Filter for ${asText(value)}`} onClick={() => { if (scalar(value)) filter?.(field, value, false) }}><IconZoomIn className="icon" size={14} /></button>
                  <button type="button" className="btn quiet" aria-label={`Filter out ${asText(value)}`} onClick={() => { if (scalar(value)) filter?.(field, value, true) }}><IconZoomOut className="icon" size={14} /></button>
                </span>
              </div>
            ))}
          </>
        )}
      </Loaded>
      <div className="row" style={{ marginTop: 8 }}>
        <button type="button" className="btn" onClick={onToggle}>{picked ? 'Remove column' : 'Add column'}</button>
      </div>
    </div>
  )
}
