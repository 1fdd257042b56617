import { IconTrash } from '@tabler/icons-react'
import { useState } from 'react'

import { useKeepNotifications, useNotifications, useTestNotifications } from '../../api/settings'
import type { Channel, Notifications } from '../../api/types'
import { Failed, Loaded } from '../../ui/loaded'
import { Time } from '../../ui/text'

const LEVELS = ['low', 'medium', 'high', 'critical'] as const
const STATE = { sent: 'state', pending: 'state late', failed: 'state silent' } as const

/** Where somebody is told, of what, and whether it arrived. */
export function Notify() {
  const notifications = useNotifications()
  return (
    <section className="settings-part">
      <h2>Notifications</h2>
      <Loaded query={notifications}>{(data) => <Form key={data.channels.map(({ id, url }) => id + url).join()} data={data} />}</Loaded>
    </section>
  )
}

function Form({ data }: { data: Notifications }) {
  const [channels, setChannels] = useState<readonly Channel[]>(data.channels)
  const keep = useKeepNotifications()
  const test = useTestNotifications()
  const change = (index: number, to: Partial<Channel>) => { setChannels(channels.map((channel, at) => (at === index ? { ...channel, ...to } : channel))) }
  const changed = JSON.stringify(channels) !== JSON.stringify(data.channels)
  return (
    <>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          keep.mutate({ channels: [...channels], last: data.last })
        }}
      >
        <div className="table-wrap">
          <table className="grid-table">
            <thead><tr><th>Name</th><th>Address, as apprise writes it</th><th>Incidents</th><th>Alerts from</th><th><span className="sr-only">Remove</span></th></tr></thead>
            <tbody>
              {channels.map((channel, index) => (
                <tr key={index}>
                  <td data-label="Name"><input className="input" aria-label={`Name of channel ${index + 1}`} required disabled={channel.fixed} value={channel.name} onChange={(event) => { change(index, { name: event.target.value }) }} /></td>
                  <td data-label="Address" style={{ flex: '1 0 200px' }}><input disabled={channel.fixed} className="input mono" aria-label={`Address of channel ${index + 1}`} required placeholder="mailto://… or json://…" value={channel.url} onChange={(event) => { change(index, { url: event.target.value }) }} /></td>
                  <td data-label="Incidents"><input type="checkbox" className="check" disabled={channel.fixed} aria-label={`Incidents to channel ${index + 1}`} checked={channel.incidents} onChange={() => { change(index, { incidents: !channel.incidents }) }} /></td>
                  <td data-label="Alerts from"><select className="input" disabled={channel.fixed} style={{ width: 120 }} aria-label={`Lowest severity for channel ${index + 1}`} value={channel.minimum_severity ?? ''} onChange={(event) => { change(index, { minimum_severity: LEVELS.find((level) => level === event.target.value) ?? null }) }}><option value="">none</option>{LEVELS.map((level) => <option key={level}>{level}</option>)}</select></td>
                  <td>{channel.fixed ? <span className="tag">settings file</span> : <button type="button" className="btn quiet icon-only" aria-label={`Remove channel ${index + 1}`} onClick={() => { setChannels(channels.filter((_, at) => at !== index)) }}><IconTrash className="icon" size={14} /></button>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        {channels.some(({ fixed }) => fixed) && <p className="t3">A channel of the settings file is changed there, under <span className="mono">[notify]</span> of tocsin.toml.</p>}
        {channels.length === 0 && <p className="t3">Nobody is told of anything yet. Add a mail address or a webhook.</p>}
        <div className="row wrap">
          <button type="submit" className="btn primary" disabled={!changed || keep.isPending}>Save</button>
          <button type="button" className="btn" onClick={() => { setChannels([...channels, { id: '', name: '', url: '', incidents: true, minimum_severity: null, fixed: false }]) }}>Add a channel</button>
          <button type="button" className="btn" disabled={changed || data.channels.length === 0 || test.isPending} onClick={() => { test.mutate() }}>Send a test</button>
          {test.data && <span role="status" className="row wrap">{test.data.map((sent, index) => <span key={index} className={STATE[sent.state]}>{sent.channel}: {sent.state}{sent.error !== '' && `, ${sent.error}`}</span>)}</span>}
        </div>
        {keep.error && <Failed error={keep.error} />}
        {test.error && <Failed error={test.error} />}
      </form>
      <h2>Lately told</h2>
      {data.last.length === 0 ? <p className="t3">Nothing yet.</p> : (
        <div className="table-wrap">
          <table className="grid-table">
            <thead><tr><th>When</th><th>Channel</th><th>What</th><th>Result</th></tr></thead>
            <tbody>{data.last.map((delivery) => <tr key={`${delivery.time}${delivery.channel}${delivery.title}`}><td className="t2 nowrap"><Time at={delivery.time} /></td><td className="nowrap">{delivery.channel}</td><td className="whole">{delivery.title}</td><td><span className={STATE[delivery.state]}>{delivery.state}{delivery.attempts > 1 && ` after ${delivery.attempts} tries`}</span> <span className="t3">{delivery.error}</span></td></tr>)}</tbody>
          </table>
        </div>
      )}
    </>
  )
}
