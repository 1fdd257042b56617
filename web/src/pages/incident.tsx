/** One incident: what happened in order, why it is one story, and what to decide. */
import './alerts.css'
import './incident.css'

import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { IconBinaryTree2, IconDeviceDesktop, IconLink, IconSearch, IconServer, IconUser, type Icon } from '@tabler/icons-react'
import { Fragment, useMemo, useRef } from 'react'

import { useIncident } from '../api/incidents'
import { useRules } from '../api/rules'
import type { IncidentDetail, Moment, Part } from '../api/types'
import { TacticStrip } from '../panels/attack'
import { Page } from '../panels/page'
import { plain } from '../panels/parts'
import { Regroup } from '../panels/regroup'
import { Said } from '../panels/said'
import { Notes, STATUS_WORD, Tags, TriageMenus, VERDICTS, VerdictButtons, VerdictMark, useChange } from '../panels/triage'
import { filterKql } from '../ui/filters'
import { plural } from '../ui/format'
import { useKeys } from '../ui/keys'
import { Loaded, SkeletonRows } from '../ui/loaded'
import { Severity, SeverityMark } from '../ui/severity'
import { Kbd, Time } from '../ui/text'
import { duration } from '../ui/time'

const MINUTE = 60_000
const shifted = (iso: string, by: number) => new Date(Date.parse(iso) + by).toISOString()

/** The page. */
export function Incident() {
  const { id } = useParams({ from: '/incidents/$id' })
  const incident = useIncident(id)
  const row = incident.data?.incident
  return (
    <Page title={row?.title ?? 'Incident'} crumbs={[{ name: 'Incidents', to: '/incidents' }]} note={row && `${plural(row.alerts, 'alert')} of ${plural(row.rules.length, 'rule')}`}>
      <div className="row incident-page" style={{ flex: 1, alignItems: 'stretch', gap: 0, minHeight: 0 }}>
        <Loaded query={incident} skeleton={<SkeletonRows rows={10} widths={[90, 16, 420, 180]} height={46} />}>{(detail) => <Body detail={detail} />}</Loaded>
      </div>
    </Page>
  )
}

function Body({ detail }: { detail: IncidentDetail }) {
  const { incident, story, timeline, joins, alerts } = detail
  const navigate = useNavigate()
  const rules = useRules().data?.rules
  const things = [{ id: incident.id, revision: incident.triage.revision }]
  const { change } = useChange('incidents')
  const armed = useRef(0)
  const last = [...alerts].sort((a, b) => b.risk_score - a.risk_score || b.time.localeCompare(a.time))[0]
  const analyze = () => { if (last) void navigate({ to: '/analyzer', search: { alert: last.id } }) }
  const decide = (index: number) => () => {
    const verdict = VERDICTS[index]
    if (!verdict || Date.now() - armed.current > 3000) return false
    change(things, { verdict: verdict.value, status: 'closed' })
    return true
  }
  useKeys({ a: analyze, v: () => { armed.current = Date.now() }, 1: decide(0), 2: decide(1), 3: decide(2), n: () => document.querySelector<HTMLElement>('[data-note]')?.focus() })
  const tactics = useMemo(() => {
    const seen = new Map<string, number>()
    for (const rule of rules ?? []) if (alerts.some(({ rule_id }) => rule_id === rule.id)) for (const tactic of new Set(rule.techniques.map(({ tactic }) => tactic))) seen.set(tactic, (seen.get(tactic) ?? 0) + 1)
    return seen
  }, [rules, alerts])
  const span = { from: shifted(incident.first, -5 * MINUTE), to: shifted(incident.last, 5 * MINUTE) }
  return (
    <>
      <div className="work">
        <div className="scroll grow">
          <div className="incident-head">
            <div className="row wrap">
              <Severity severity={incident.severity} />
              <span className="t3">Score <b className="risk" style={{ color: 'var(--text-1)' }}>{Math.round(incident.score)}</b></span>
              <TriageMenus things={things} of="incidents" triage={incident.triage} />
              <span className="grow" />
              <button type="button" className="btn primary" onClick={analyze} disabled={!last}><IconBinaryTree2 className="icon" size={14} /> Analyze <span className="only-wide"><Kbd>A</Kbd></span></button>
              <Link className="btn" to="/alerts" search={{ incident: incident.id, status: ['any'], blocks: true, from: span.from, to: 'now' }}>Its alerts</Link>
            </div>
            <h2 style={{ fontSize: 22, lineHeight: '28px', margin: '10px 0 4px', letterSpacing: '-.012em' }}>{incident.title}</h2>
            <p className="lede">{story.length > 0 ? story.map((parts, index) => <span key={index}><Said parts={whole(parts)} {...span} /> </span>) : incident.summary}</p>
            <Tags things={things} of="incidents" tags={incident.triage.tags} />
          </div>
          <TacticStrip seen={tactics} />
          <Story timeline={timeline} detail={detail} />
        </div>
      </div>
      <aside className="side" aria-label="Decide">
        <section className="section">
          <h2>Verdict <small>{incident.triage.verdict === null ? STATUS_WORD[incident.triage.status].toLowerCase() : ''}</small></h2>
          <VerdictMark verdict={incident.triage.verdict} />
          <VerdictButtons things={things} of="incidents" verdict={incident.triage.verdict} />
        </section>
        <section className="section">
          <h2>Why it ranks here <small>score {Math.round(incident.score)}</small></h2>
          {detail.score.map(({ why, points }) => <div key={why} className="score-row"><span>{why}</span><b className="tm">{points > 0 ? '+' : ''}{points}</b></div>)}
        </section>
        <section className="section">
          <h2>Why it is one incident <small>{plural(joins.length, 'join')}</small></h2>
          <ul className="points">
            {joins.map((join) => (
              <li key={`${join.first}${join.second}${join.key}`}>
                <IconLink className="icon t3" size={14} />
                <span>{ruleOf(detail, join.first)} and {ruleOf(detail, join.second)} <span className="t3">{shared(join.why)}, by {join.key}</span> <span className="mono">{join.value}</span></span>
              </li>
            ))}
            {joins.length === 0 && <li className="t3">One alert that its rule marks as an incident by itself.</li>}
          </ul>
          <Regroup key={incident.id} detail={detail} />
        </section>
        <section className="section">
          <h2>Next questions <small>each opens its query</small></h2>
          <ul className="points">
            {incident.hosts.slice(0, 3).map((host) => <li key={host}><IconSearch className="icon t3" size={14} /><Link to="/discover" search={{ q: filterKql({ field: 'host.name', value: host }), from: incident.first, to: 'now', sort: '@timestamp:asc' }}>What else happened on {host} since?</Link></li>)}
            {incident.users.slice(0, 3).map((user) => <li key={user}><IconSearch className="icon t3" size={14} /><Link to="/discover" search={{ q: filterKql({ field: 'user.name', value: user }), from: incident.first, to: 'now', sort: '@timestamp:asc' }}>What did {user} do afterwards?</Link></li>)}
            {incident.addresses.slice(0, 4).map((address) => <li key={address}><IconSearch className="icon t3" size={14} /><Link to="/discover" search={{ q: `source.ip: "${address}" or destination.ip: "${address}"`, from: 'now-30d', to: 'now' }}>Who else spoke to {address}?</Link></li>)}
          </ul>
        </section>
        <section className="section">
          <h2>Who and where</h2>
          <Entities icon={IconServer} names={incident.hosts} field="host.name" span={span} />
          <Entities icon={IconUser} names={incident.users} field="user.name" span={span} />
          <Entities icon={IconDeviceDesktop} names={incident.addresses} field="source.ip" span={span} />
        </section>
        <section className="section" style={{ padding: 0 }}>
          <h2 style={{ padding: '12px 16px 0' }}>Notes <small>{incident.notified === null ? 'nobody was told yet' : <>told <Time at={incident.notified} /></>}</small></h2>
          <Notes of="incidents" id={incident.id} notes={incident.triage.notes} />
        </section>
      </aside>
    </>
  )
}

/** Why two alerts belong together, without naming them again. */
const shared = (why: string) => (why.includes(' share ') ? `share ${why.split(' share ').at(-1) ?? ''}` : why)

const ruleOf = (detail: IncidentDetail, alert: string) => detail.alerts.find(({ id }) => id === alert)?.rule ?? 'an alert'

/** A sentence begins with a capital, unless a name begins it. */
function capital(parts: readonly Part[]): Part[] {
  const [first, ...rest] = parts
  if (!first) return []
  return [first.field === null ? { ...first, text: first.text.charAt(0).toUpperCase() + first.text.slice(1) } : first, ...rest]
}

/** A sentence as it stands in a paragraph: a capital first, a full stop last. */
function whole(parts: readonly Part[]): Part[] {
  if (parts.length === 0) return []
  const said = capital(parts)
  return /[.!?…]$/.test(plain(said)) && said.at(-1)?.field === null ? said : [...said, { text: '.', field: null, value: null }]
}

function Story({ timeline, detail }: { timeline: readonly Moment[]; detail: IncidentDetail }) {
  return (
    <ol className="story" aria-label="What happened, in order">
      {timeline.map((moment, index) => {
        const alert = moment.alert === null ? undefined : detail.alerts.find(({ id }) => id === moment.alert)
        // What joins this alert to one that stands above it.
        const before = new Set(timeline.slice(0, index).flatMap(({ alert: id }) => id ?? []))
        const join = moment.alert === null ? undefined : detail.joins.find(({ first, second }) => (first === moment.alert && before.has(second)) || (second === moment.alert && before.has(first)))
        const previous = timeline[index - 1]
        const gap = previous ? Date.parse(moment.time) - Date.parse(previous.time) : 0
        return (
          <Fragment key={index}>
            {index > 0 && (join !== undefined || gap > 1000) && (
              <li className="join"><span /><span className="spine" aria-hidden="true" /><span className="icon-line"><IconLink className="icon" size={13} />{[join && shared(join.why), gap > 0 ? `${duration(gap)} later` : ''].filter(Boolean).join(', ')}</span></li>
            )}
            <li>
              <span className="at"><Time at={moment.time} /></span>
              <span className="spine">{moment.severity === null ? <span className="point" /> : <SeverityMark severity={moment.severity} />}</span>
              <div className={moment.kind === 'alert' || moment.kind === 'event' ? 'what' : 'what quiet'}><Said parts={capital(moment.title)} from={shifted(moment.time, -5 * MINUTE)} to={shifted(moment.time, 5 * MINUTE)} /></div>
              <div className="which">
                {alert && <Link to="/alerts" search={{ alert: alert.id, status: ['any'], incident: detail.incident.id, blocks: true, from: shifted(detail.incident.first, -5 * MINUTE), to: 'now' }}>{alert.rule}</Link>}
                {!alert && moment.event !== null && <Link to="/discover" search={{ q: `tocsin.id: ${moment.event}`, doc: moment.event, from: shifted(moment.time, -MINUTE), to: shifted(moment.time, MINUTE) }}>Its event</Link>}
              </div>
            </li>
          </Fragment>
        )
      })}
    </ol>
  )
}

function Entities({ icon: EntityIcon, names, field, span }: { icon: Icon; names: readonly string[]; field: string; span: { from: string; to: string } }) {
  return (
    <>
      {names.map((name) => (
        <div key={name} className="ents">
          <EntityIcon className="icon t3" size={14} />
          <Link to="/discover" search={{ q: filterKql({ field, value: name }), ...span }} className="mono cut">{name}</Link>
          <span className="t3 num">{field}</span>
        </div>
      ))}
    </>
  )
}
