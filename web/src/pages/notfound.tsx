import { Link } from '@tanstack/react-router'

import { Page } from '../panels/page'
import { Empty } from '../ui/loaded'

/** An address that names nothing. */
export function NotFound() {
  return (
    <Page title="Nothing here">
      <Empty title="No page has this address." actions={<Link to="/" className="btn primary">Go home</Link>}>It may have been typed wrongly, or come from a later version.</Empty>
    </Page>
  )
}
