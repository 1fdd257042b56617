/** One rule: what it catches, what it misses, its logic, its evidence, what is left out of it. */
import './rule.css'

import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { IconBell, IconBellOff, IconCheck, IconEyeOff, IconPlus, IconTrash, IconX } from '@tabler/icons-react'
import { useState } from 'react'

import { useAlerts } from '../api/alerts'
import { useMe } from '../api/session'
import { useChangeRule, useDropException, useDropRule, useRule } from '../api/rules'
import type { RuleDetail } from '../api/types'
import { ExceptionDialog } from '../panels/exception'
import { Page } from '../panels/page'
import { VerdictMark } from '../panels/triage'
import { Segments } from '../ui/controls'
import { asText, count, plural, safeHref } from '../ui/format'
import { Failed, Loaded, SkeletonText } from '../ui/loaded'
import { Severity, SeverityMark } from '../ui/severity'
import { Code, Prose, Time } from '../ui/text'
import { RuleState } from './rules'

/** The page. */
export function Rule() {
  const { id } = useParams({ from: '/rules/$id' })
  const rule = useRule(id)
  return (
    <Page title={rule.data?.rule.name ?? 'Rule'} crumbs={[{ name: 'Rules', to: '/rules' }]}>
      <div className="work rule-page"><Loaded query={rule} skeleton={<SkeletonText lines={6} />}>{(detail) => <Body detail={detail} />}</Loaded></div>
    </Page>
  )
}

function Body({ detail }: { detail: RuleDetail }) {
  const { rule } = detail
  const [form, setForm] = useState<'query' | 'words' | 'text'>('query')
  // A correlation has no query: its words come first, where there are any, else its file.
  const hasQuery = detail.query !== ''
  const hasWords = detail.readable !== ''
  const shownForm = form === 'query' && !hasQuery ? (hasWords ? 'words' : 'text') : form
  const [excluding, setExcluding] = useState(false)
  const change = useChangeRule()
  const drop = useDropRule()
  const undo = useDropException(rule.id)
  const navigate = useNavigate()
  const viewer = useMe().data?.role === 'viewer'
  const held = detail.evidence.filter(({ passed }) => passed).length
  return (
    <>
      <div className="rule-head">
        <div className="row wrap">
          <h2 className="grow" style={{ fontSize: 22, lineHeight: '28px', letterSpacing: '-.012em' }}>{rule.name}</h2>
          <label className="row"><input type="checkbox" role="switch" className="switch" checked={rule.enabled} disabled={viewer || change.isPending || rule.status === 'invalid' || rule.status === 'unsupported'} onChange={() => { change.mutate({ id: rule.id, change: { enabled: !rule.enabled } }) }} /> {rule.enabled ? 'On' : 'Off'}</label>
          {!viewer && <button type="button" className="btn primary" onClick={() => { setExcluding(true) }}><IconPlus className="icon" size={14} /> Exclude something</button>}
          {rule.own && !viewer && <button type="button" className="btn" disabled={drop.isPending} onClick={() => { drop.mutate(rule.id, { onSuccess: () => { void navigate({ to: '/rules' }) } }) }}><IconTrash className="icon" size={14} /> Delete</button>}
        </div>
        <div className="meta">
          <RuleState rule={rule} />
          <Severity severity={rule.severity} />
          <span>Risk <b className="risk">{Math.round(rule.risk_score)}</b></span>
          <span>{rule.type}, {rule.format}, version {detail.version}</span>
          {rule.techniques.map(({ technique, tactic, name, tactic_name }) => <span key={`${tactic}${technique}`}>{technique || tactic} {name || tactic_name}</span>)}
        </div>
        {change.error && <Failed error={change.error} />}
        {drop.error && <Failed error={drop.error} />}
        {detail.warnings.map((warning) => <p key={warning} className="warn">{warning}</p>)}
      </div>
      <div className="rule-cols">
        <div>
          <section className="section two">
            <div><h2 style={{ marginBottom: 6 }}>Catches</h2><Prose text={detail.description || 'Its author wrote no description.'} /></div>
            <div>
              <h2 style={{ marginBottom: 6 }}>Misses</h2>
              <ul className="points">{detail.misses === '' ? <li className="t3">Nothing is written down.</li> : <li><IconEyeOff className="icon" size={14} style={{ color: 'var(--warn)' }} /><span><Prose text={detail.misses} /></span></li>}</ul>
              {detail.false_positives.length > 0 && <><h2 style={{ margin: '10px 0 4px' }}>May be benign</h2><ul className="points">{detail.false_positives.map((text) => <li key={text}><span><Prose text={text} /></span></li>)}</ul></>}
            </div>
          </section>
          <section className="section">
            <h2>Logic <small>{detail.scope}</small><span className="grow" /><Segments label="Form" value={shownForm} onChange={setForm} choices={[...(hasQuery ? [{ value: 'query' as const, label: (detail.language || 'query').toUpperCase() }] : []), ...(hasWords ? [{ value: 'words' as const, label: 'In words' }] : []), { value: 'text', label: 'Whole file' }]} /></h2>
            <Code text={shownForm === 'query' ? detail.query : shownForm === 'words' ? detail.readable : detail.text} numbered label="Logic of the rule" />
            {detail.required_fields.length > 0 && <p className="t3" style={{ marginTop: 6 }}>Needs <span className="mono">{detail.required_fields.join(', ')}</span></p>}
          </section>
          <section className="section">
            <h2>Test events <small>{detail.evidence.length === 0 ? 'none lie beside it' : `${held} of ${detail.evidence.length} hold`}</small></h2>
            {detail.evidence.length > 0 && (
              <table className="cases">
                <thead><tr><th style={{ width: 90 }}>Expected</th><th>Case</th><th style={{ width: 90 }}>Result</th></tr></thead>
                <tbody>
                  {detail.evidence.map((each, index) => (
                    <tr key={index}>
                      <td>{each.expect === 'fires' ? <span className="row"><IconBell className="icon" size={14} /> Fires</span> : <span className="row t3"><IconBellOff className="icon" size={14} /> Quiet</span>}</td>
                      <td>{each.name}{each.detail !== '' && <span className="t3"> {each.detail}</span>}</td>
                      <td>{each.passed ? <span className="row ok"><IconCheck className="icon" size={14} /> holds</span> : <span className="row bad"><IconX className="icon" size={14} /> does not</span>}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </section>
          {detail.note !== '' && <section className="section"><h2>What to do</h2><Prose text={detail.note} /></section>}
          {detail.references.length > 0 && (
            <section className="section">
              <h2>References</h2>
              <ul className="points">{detail.references.map((reference) => {
                const href = safeHref(reference)
                return <li key={reference}><span className="mono">{href === undefined ? reference : <a href={href} target="_blank" rel="noreferrer noopener">{reference}</a>}</span></li>
              })}</ul>
            </section>
          )}
        </div>
        <aside aria-label="In use">
          <section className="section">
            <h2>Alerts</h2>
            <div className="stat">
              <div><b><Link to="/alerts" search={{ rule: [rule.id], from: 'now-90d', to: 'now' }}>{count(rule.alerts_open)}</Link></b><span>open</span></div>
              <div><b><Link to="/alerts" search={{ rule: [rule.id], status: ['any'] }}>{count(rule.alerts_24h)}</Link></b><span>in 24 hours</span></div>
              <div><b>{rule.last_alert === null ? 'never' : <Time at={rule.last_alert} />}</b><span>last alert</span></div>
            </div>
            <LastAlerts rule={rule.id} />
          </section>
          <section className="section">
            <h2>Exceptions <small>what each hides can be opened</small></h2>
            {undo.error && <Failed error={undo.error} />}
            {detail.exceptions.length === 0 && <p className="t3">Nothing is left out.</p>}
            {detail.exceptions.map((exception) => (
              <div key={exception.number} className="row" style={{ alignItems: 'flex-start', padding: '4px 0', borderBottom: '1px solid var(--line)' }}>
                <div className="grow">
                  <div className="mono" style={{ overflowWrap: 'anywhere' }}>{exception.entries.map(({ field, operator, value, negate }) => `${field} ${negate ? 'not ' : ''}${operator.replaceAll('_', ' ')} ${asText(value)}`).join(' and ')}</div>
                  <div className="t3">{exception.comment} {exception.author}, <Time at={exception.created} detail="day" />{exception.expires !== null && <>, until <Time at={exception.expires} detail="day" /></>}</div>
                </div>
                <span className="tm" title="hidden so far">{count(exception.hidden)}</span>
                {!viewer && <button type="button" className="btn quiet icon-only sm" aria-label={`Remove exception ${exception.number}`} disabled={undo.isPending} onClick={() => { undo.mutate(exception.number) }}><IconTrash className="icon" size={14} /></button>}
              </div>
            ))}
            {detail.lists.length > 0 && <p style={{ marginTop: 6 }}>Lists: {detail.lists.map((list, index) => <span key={list}>{index > 0 && ', '}<Link to="/settings/$part" params={{ part: 'lists' }}>{list}</Link></span>)}</p>}
          </section>
          <section className="section">
            <h2>Where from</h2>
            <p className="t2"><Link to="/rules" search={{ folder: rule.folder }}>{rule.folder}</Link>{detail.author.length > 0 && `, by ${detail.author.join(', ')}`}</p>
            {rule.tags.length > 0 && <p className="row wrap" style={{ gap: 4, marginTop: 6 }}>{rule.tags.map((tag) => <span key={tag} className="tag">{tag}</span>)}</p>}
          </section>
        </aside>
      </div>
      {excluding && <ExceptionDialog rule={rule.id} ruleName={rule.name} onClose={() => { setExcluding(false) }} />}
    </>
  )
}

function LastAlerts({ rule }: { rule: string }) {
  const alerts = useAlerts({ rules: [rule], statuses: [], start: 'now-90d', end: 'now', size: 5, building_blocks: true })
  return (
    <Loaded query={{ ...alerts, data: alerts.data?.pages.flatMap((page) => page.alerts) }} empty={<p className="t3" style={{ marginTop: 8 }}>It has raised nothing in 90 days.</p>} skeleton={<SkeletonText lines={3} />}>
      {(rows) => (
        <ul className="points" style={{ marginTop: 8 }}>
          {rows.map((alert) => <li key={alert.id}><SeverityMark severity={alert.severity} size={14} /><span className="row wrap"><Link to="/alerts" search={{ alert: alert.id, rule: [rule], status: ['any'], from: 'now-90d', to: 'now' }}><Time at={alert.time} /></Link> <span className="mono">{plural(alert.suppressed + 1, 'time')}</span> {asText(alert.document['host.name'])} <VerdictMark verdict={alert.triage.verdict} /></span></li>)}
        </ul>
      )}
    </Loaded>
  )
}
