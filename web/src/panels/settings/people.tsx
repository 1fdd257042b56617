import { useState } from 'react'

import { useChangeUser, useMakeUser, useUsers } from '../../api/settings'
import { useMe } from '../../api/session'
import type { Role } from '../../api/types'
import { Field } from '../../ui/controls'
import { Failed, Loaded } from '../../ui/loaded'
import { Avatar, RelativeTime } from '../../ui/text'

const ROLES: readonly Role[] = ['viewer', 'analyst', 'admin']
const MEANS: Record<Role, string> = { viewer: 'reads', analyst: 'triages, notes, makes rules and exceptions', admin: 'everything, people and keys too' }

/** Accounts and their roles. */
export function People() {
  const users = useUsers()
  const make = useMakeUser()
  const change = useChangeUser()
  const me = useMe().data
  const [username, setUsername] = useState('')
  const [password, setPassword] = useState('')
  const [role, setRole] = useState<Role>('analyst')
  return (
    <section className="settings-part">
      <h2>People</h2>
      {change.error && <Failed error={change.error} />}
      <Loaded query={users} empty="Nobody has an account yet.">
        {(rows) => (
          <div className="table-wrap">
            <table className="grid-table">
              <thead><tr><th>Name</th><th>Role</th><th>Last seen</th><th>May sign in</th></tr></thead>
              <tbody>
                {rows.map((user) => (
                  <tr key={user.username}>
                    <td className="whole"><span className="row"><Avatar name={user.username} /> {user.username}{user.username === me?.username && <span className="t3">you</span>}</span></td>
                    <td data-label="Role"><select className="input" style={{ width: 130 }} aria-label={`Role of ${user.username}`} value={user.role} onChange={(event) => { change.mutate({ username: user.username, change: { role: event.target.value as Role } }) }}>{ROLES.map((each) => <option key={each}>{each}</option>)}</select></td>
                    <td className="t2" data-label="Last seen">{user.last_seen === null ? 'never' : <RelativeTime at={user.last_seen} />}</td>
                    <td data-label="May sign in"><input type="checkbox" role="switch" className="switch" aria-label={`${user.username} may sign in`} checked={!user.disabled} onChange={() => { change.mutate({ username: user.username, change: { disabled: !user.disabled } }) }} /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Loaded>
      <h2>Another account</h2>
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault()
          make.mutate({ username: username.trim(), password, role }, { onSuccess: () => { setUsername(''); setPassword('') } })
        }}
      >
        <Field label="Name">{(ids) => <input {...ids} className="input" required autoComplete="off" value={username} onChange={(event) => { setUsername(event.target.value) }} />}</Field>
        <Field label="First password, ten characters or more">{(ids) => <input {...ids} className="input" type="password" required minLength={10} maxLength={256} autoComplete="new-password" value={password} onChange={(event) => { setPassword(event.target.value) }} />}</Field>
        <Field label="Role">{(ids) => <select {...ids} className="input" value={role} onChange={(event) => { setRole(event.target.value as Role) }}>{ROLES.map((each) => <option key={each} value={each}>{each}: {MEANS[each]}</option>)}</select>}</Field>
        <button type="submit" className="btn primary" style={{ height: 32 }} disabled={make.isPending}>Make the account</button>
      </form>
      {make.error && <Failed error={make.error} />}
    </section>
  )
}
