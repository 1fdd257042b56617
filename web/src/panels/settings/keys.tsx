import { useState } from 'react'

import { useDropKey, useKeyList, useMakeKey } from '../../api/settings'
import type { Key } from '../../api/types'
import { Field } from '../../ui/controls'
import { Empty, Failed, Loaded } from '../../ui/loaded'
import { KeyValue, RelativeTime, Time } from '../../ui/text'
import { copyText } from '../../ui/value'

const SCOPES: readonly { scope: Key['scopes'][number]; means: string }[] = [
  { scope: 'ingest', means: 'send events: shippers' },
  { scope: 'read', means: 'search and read' },
  { scope: 'write', means: 'triage and change' },
]

/** Keys of shippers and programs; a secret is shown once. */
export function Keys() {
  const keys = useKeyList()
  const make = useMakeKey()
  const drop = useDropKey()
  const [name, setName] = useState('')
  const [scopes, setScopes] = useState<readonly Key['scopes'][number][]>(['ingest'])
  return (
    <section className="settings-part">
      <h2>API keys</h2>
      {drop.error && <Failed error={drop.error} />}
      <Loaded query={keys} empty={<Empty title="No key yet.">A shipper needs one with the scope ingest.</Empty>}>
        {(rows) => (
          <div className="table-wrap">
            <table className="grid-table">
              <thead><tr><th>Name</th><th>May</th><th>Made</th><th>Last used</th><th><span className="sr-only">Revoke</span></th></tr></thead>
              <tbody>
                {rows.map((key) => (
                  <tr key={key.id}>
                    <td className="whole">{key.name} <span className="mono t3">{key.id}</span></td>
                    <td data-label="May">{key.scopes.join(', ')}</td>
                    <td className="t2" data-label="Made"><Time at={key.created} detail="minute" /> by {key.created_by}</td>
                    <td className="t2" data-label="Last used">{key.last_used === null ? 'never' : <RelativeTime at={key.last_used} />}</td>
                    <td><button type="button" className="btn sm" disabled={drop.isPending} onClick={() => { drop.mutate(key.id) }}>Revoke</button></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Loaded>
      {make.data && (
        <div role="status" className="code">
          <p className="t2" style={{ marginBottom: 6 }}>This is the only time that the secret of “{make.data.key.name}” is shown.</p>
          <KeyValue facts={([['Authorization: ApiKey', make.data.encoded], ['id:secret, for Beats', make.data.beats], ['secret', make.data.secret]] as const).map(([label, value]) => [label, <span key={label}>{value} <button type="button" className="link" onClick={() => { void copyText(value) }}>Copy</button></span>] as const)} />
        </div>
      )}
      <h2>Another key</h2>
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault()
          make.mutate({ name: name.trim(), scopes: [...scopes] }, { onSuccess: () => { setName('') } })
        }}
      >
        <Field label="Name">{(ids) => <input {...ids} className="input" required value={name} onChange={(event) => { setName(event.target.value) }} />}</Field>
        <fieldset className="row wrap" style={{ minHeight: 32 }}>
          <legend className="sr-only">What it may do</legend>
          {SCOPES.map(({ scope, means }) => <label key={scope} className="row" style={{ gap: 6 }}><input type="checkbox" className="check" checked={scopes.includes(scope)} onChange={() => { setScopes(scopes.includes(scope) ? scopes.filter((other) => other !== scope) : [...scopes, scope]) }} /> {means}</label>)}
        </fieldset>
        <button type="submit" className="btn primary" style={{ height: 32 }} disabled={make.isPending || scopes.length === 0 || name.trim() === ''}>Make the key</button>
      </form>
      {make.error && <Failed error={make.error} />}
    </section>
  )
}
