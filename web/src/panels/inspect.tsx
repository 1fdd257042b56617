/** What was asked: of the API, and of the store. */
import { Modal } from '@mantine/core'

import type { Inspect, SearchRequest } from '../api/types'
import { Code } from '../ui/text'

/** The request as sent, the SQL with its parameters, the time it took. */
export function InspectDialog({ request, inspect, onClose }: { request: SearchRequest; inspect: Inspect | null; onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title="Inspect" size={860} transitionProps={{ duration: 0 }}>
      <div className="form">
        <h2>SQL {inspect && <small>{inspect.milliseconds.toFixed(1)} ms</small>}</h2>
        {inspect ? <><Code text={inspect.sql} label="SQL" /><h2>Parameters</h2><Code text={JSON.stringify(inspect.parameters, null, 2)} label="Parameters" /></> : <p className="t2">The server did not say.</p>}
        <h2>Request <small>POST /api/v1/search</small></h2>
        <Code text={JSON.stringify(request, null, 2)} label="Request" />
      </div>
    </Modal>
  )
}
