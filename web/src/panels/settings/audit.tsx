import { useAudit } from '../../api/settings'
import { Loaded } from '../../ui/loaded'
import { Time } from '../../ui/text'

/** Who did what, newest first. Nothing here can be changed. */
export function Audit() {
  const audit = useAudit()
  return (
    <section className="settings-part">
      <h2>Audit <small>sign-ins, searches, triage, changes; the latest 200</small></h2>
      <Loaded query={audit} empty="Nothing was recorded yet.">
        {(entries) => (
          <div className="table-wrap">
            <table className="grid-table">
              <thead><tr><th>When</th><th>Who</th><th>Did</th><th>What</th><th>From</th></tr></thead>
              <tbody>{entries.map((entry) => <tr key={entry.id}><td className="t2 nowrap"><Time at={entry.time} /></td><td>{entry.who}</td><td className="nowrap">{entry.action}</td><td className="whole mono" title={JSON.stringify(entry.detail)}>{entry.what}</td><td className="mono t2 nowrap">{entry.peer}</td></tr>)}</tbody>
            </table>
          </div>
        )}
      </Loaded>
    </section>
  )
}
