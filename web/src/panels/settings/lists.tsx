import { IconTrash } from '@tabler/icons-react'
import { useState } from 'react'

import { useKeepList, useLists } from '../../api/rules'
import { useMe } from '../../api/session'
import type { ListTable } from '../../api/types'
import { plural } from '../../ui/format'
import { Failed, Loaded } from '../../ui/loaded'

/** The lists that rules use: who is allowed, who is blocked. */
export function Lists() {
  const lists = useLists()
  const [name, setName] = useState<string | undefined>(undefined)
  return (
    <section className="settings-part">
      <h2>Lists</h2>
      <Loaded query={lists} empty="No rule uses a list.">
        {(all) => {
          const shown = all.find((list) => list.name === name) ?? all[0]
          return (
            <>
              <div className="row wrap" style={{ gap: 6 }}>{all.map((list) => <button key={list.name} type="button" className="btn" aria-pressed={list.name === shown?.name} onClick={() => { setName(list.name) }}>{list.name} <span className="t3 tm">{list.rows.length}</span></button>)}</div>
              {shown && <Rows key={shown.name} list={shown} />}
            </>
          )
        }}
      </Loaded>
    </section>
  )
}

function Rows({ list }: { list: ListTable }) {
  const [rows, setRows] = useState<readonly Record<string, string>[]>(list.rows)
  const keep = useKeepList()
  const viewer = useMe().data?.role === 'viewer'
  const changed = JSON.stringify(rows) !== JSON.stringify(list.rows)
  return (
    <form
      className="form"
      onSubmit={(event) => {
        event.preventDefault()
        keep.mutate({ ...list, rows: rows.map((row) => ({ ...row })) })
      }}
    >
      <p className="t2">{list.used_by.length === 0 ? 'No rule uses it.' : `Used by ${list.used_by.join(', ')}.`} {list.shipped ? 'As shipped.' : 'Changed here.'} A block-list beats an allow-list.</p>
      <div className="table-wrap">
        <table className="grid-table">
          <thead><tr>{list.columns.map((column) => <th key={column}>{column}</th>)}<th><span className="sr-only">Remove</span></th></tr></thead>
          <tbody>
            {rows.map((row, index) => (
              <tr key={index}>
                {list.columns.map((column) => <td key={column} data-label={column} style={{ flex: '1 0 140px' }}><input className="input mono" disabled={viewer} aria-label={`${column} of row ${index + 1}`} value={row[column] ?? ''} onChange={(event) => { setRows(rows.map((other, at) => (at === index ? { ...other, [column]: event.target.value } : other))) }} /></td>)}
                <td>{!viewer && <button type="button" className="btn quiet icon-only" aria-label={`Remove row ${index + 1}`} onClick={() => { setRows(rows.filter((_, at) => at !== index)) }}><IconTrash className="icon" size={14} /></button>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length === 0 && <p className="t3">The list is empty.</p>}
      {!viewer && (
        <div className="row">
          <button type="submit" className="btn primary" disabled={!changed || keep.isPending}>Save {plural(rows.length, 'row')}</button>
          <button type="button" className="btn" onClick={() => { setRows([...rows, Object.fromEntries(list.columns.map((column) => [column, '']))]) }}>Add a row</button>
        </div>
      )}
      {keep.error && <Failed error={keep.error} />}
    </form>
  )
}
