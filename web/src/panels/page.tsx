/** The frame of one page: its name and tools on top, the work below. */
import { Link } from '@tanstack/react-router'
import { useEffect, type ReactNode } from 'react'

import { Account } from './account'
import { JumpButton } from './jump'
import { LiveMark } from './livemark'

interface PageProps {
  title: string
  /** Stands grey behind the title. */
  note?: ReactNode
  /** Pages above this one, by name and address. */
  crumbs?: readonly { name: string; to: string }[]
  /** At the right of the top bar: the time range, mostly. */
  tools?: ReactNode
  children: ReactNode
}

/** Names the document too, so that tabs and histories can be told apart. */
export function Page({ title, note, crumbs = [], tools, children }: PageProps) {
  useEffect(() => { document.title = `${title} · Tocsin` }, [title])
  return (
    <>
      <header className="topbar">
        <nav aria-label="You are here" className="row cut crumbs">
          {crumbs.map(({ name, to }) => <span key={to} className="crumb only-wide"><Link to={to} className="plain">{name}</Link></span>)}
          <h1 className="title cut">{title}</h1>
        </nav>
        {note !== undefined && <span className="t3 cut only-wide">{note}</span>}
        <span className="grow" />
        <JumpButton />
        {tools !== undefined && <div className="only-wide row">{tools}</div>}
        <LiveMark />
        <Account />
      </header>
      <main id="main" className="page" tabIndex={-1}>
        {tools !== undefined && <div className="only-narrow narrow-tools">{tools}</div>}
        {children}
      </main>
    </>
  )
}
