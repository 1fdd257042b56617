/** The way in: the first admin, and signing in. */
import '../panels/shell.css'

import { IconBellFilled } from '@tabler/icons-react'
import { useEffect, useState, type ReactNode } from 'react'

import { useSetUp, useSignIn } from '../api/session'
import { Field } from '../ui/controls'

function Gate({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => { document.title = `${title} · Tocsin` }, [title])
  return (
    <main className="gate">
      <div>
        <IconBellFilled size={28} aria-hidden />
        <h1 style={{ margin: '12px 0 6px' }}>{title}</h1>
        {children}
      </div>
    </main>
  )
}

/** Name and password. */
export function SignInForm() {
  const [username, setUsername] = useState('')
  const [password, setPassword] = useState('')
  const entry = useSignIn()
  return (
    <Gate title="Sign in to Tocsin">
      <form
        className="form" style={{ marginTop: 18 }}
        onSubmit={(event) => {
          event.preventDefault()
          entry.mutate({ username, password })
        }}
      >
        <Field label="Name">{(ids) => <input {...ids} className="input" autoComplete="username" autoFocus required value={username} onChange={(event) => { setUsername(event.target.value) }} />}</Field>
        <Field label="Password" wrong={entry.error?.message}>{(ids) => <input {...ids} className="input" type="password" autoComplete="current-password" required value={password} onChange={(event) => { setPassword(event.target.value) }} />}</Field>
        <button type="submit" className="btn primary" disabled={entry.isPending} aria-busy={entry.isPending} style={{ height: 34 }}>Sign in</button>
        <p className="t3">No account? An admin makes one under Settings, or with <span className="mono">tocsin user add</span>.</p>
      </form>
    </Gate>
  )
}

/** The first start: whoever can read the terminal may make the first admin. */
export function SetUp() {
  const [token, setToken] = useState(() => new URLSearchParams(window.location.search).get('token') ?? '')
  const [username, setUsername] = useState('')
  const [password, setPassword] = useState('')
  const entry = useSetUp()
  const short = password !== '' && password.length < 10
  return (
    <Gate title="Set up Tocsin">
      <p className="t2">The first account is the admin’s. It can make further people, keys and rules.</p>
      <form
        className="form" style={{ marginTop: 18 }}
        onSubmit={(event) => {
          event.preventDefault()
          if (!short) entry.mutate({ token: token.trim(), username: username.trim(), password })
        }}
      >
        <Field label="Token" help="tocsin serve printed it in its terminal.">{(ids) => <input {...ids} className="input mono" autoComplete="off" autoFocus={token === ''} required value={token} onChange={(event) => { setToken(event.target.value) }} />}</Field>
        <Field label="Name">{(ids) => <input {...ids} className="input" autoComplete="username" autoFocus={token !== ''} required value={username} onChange={(event) => { setUsername(event.target.value) }} />}</Field>
        <Field label="Password" help="Ten characters or more; a sentence is fine." wrong={short ? `${10 - password.length} more character${password.length === 9 ? '' : 's'}.` : entry.error?.message}>
          {(ids) => <input {...ids} className="input" type="password" autoComplete="new-password" required minLength={10} maxLength={256} value={password} onChange={(event) => { setPassword(event.target.value) }} />}
        </Field>
        <button type="submit" className="btn primary" disabled={entry.isPending || short} aria-busy={entry.isPending} style={{ height: 34 }}>Make the admin and go in</button>
      </form>
    </Gate>
  )
}
