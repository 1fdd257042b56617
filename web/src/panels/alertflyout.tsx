/** One alert: a sentence first, evidence under it, raw last. */
import { Link, useNavigate } from '@tanstack/react-router'
import { Menu } from '@mantine/core'
import { IconBinaryTree2, IconCheck, IconClock, IconMessage, IconShield, IconStack2, IconX } from '@tabler/icons-react'
import { useRef, useState } from 'react'

import { useAlert } from '../api/alerts'
import { useGraph } from '../api/analyzer'
import type { AlertDetail, AlertRow } from '../api/types'
import { Tabs } from '../ui/controls'
import { Flyout } from '../ui/flyout'
import { asText, plural } from '../ui/format'
import { useKeys } from '../ui/keys'
import { Loaded, SkeletonText } from '../ui/loaded'
import { Severity, SeverityMark } from '../ui/severity'
import { Code, Kbd, KeyValue, Prose, shorten, Time, useNow } from '../ui/text'
import { relative } from '../ui/time'
import { FieldValue } from '../ui/value'
import { DocumentFields, DocumentJson } from './document'
import { ExceptionDialog } from './exception'
import { HowCommon } from './howcommon'
import { MiniPath } from './minipath'
import { Said } from './said'
import { around } from './around'
import { Notes, Tags, TriageMenus, VERDICTS, VerdictMark, useChange } from './triage'

export type AlertTab = 'overview' | 'table' | 'json' | 'notes'

interface AlertFlyoutProps {
  id: string
  tab: AlertTab
  onTab: (tab: AlertTab) => void
  onClose: () => void
  /** `3 of 23` */
  place?: string
}

/** Escape closes it; a, i, e, v, n act on it. */
export function AlertFlyout({ id, tab, onTab, onClose, place }: AlertFlyoutProps) {
  const detail = useAlert(id)
  const navigate = useNavigate()
  const [excluding, setExcluding] = useState(false)
  const verdictNext = useRef(0)
  const alert = detail.data?.alert
  const things = alert ? [{ id: alert.id, revision: alert.triage.revision }] : []
  const { change } = useChange('alerts')
  const analyze = () => { void navigate({ to: '/analyzer', search: { alert: id } }) }
  const investigate = () => { if (alert) void navigate({ to: '/discover', search: around(alert) }) }
  const verdict = (index: number) => () => {
    const chosen = VERDICTS[index]
    if (!chosen || Date.now() - verdictNext.current > 3000) return false
    verdictNext.current = 0
    change(things, { verdict: chosen.value, status: 'closed' })
    return true
  }
  useKeys({
    a: () => (detail.data?.can_analyze ? (analyze(), true) : false),
    i: investigate,
    e: () => { setExcluding(true) },
    v: () => { verdictNext.current = Date.now() },
    1: verdict(0), 2: verdict(1), 3: verdict(2),
    n: () => {
      onTab('notes')
      setTimeout(() => document.querySelector<HTMLElement>('[data-note]')?.focus(), 50)
    },
  })
  return (
    <Flyout
      label="Alert" name="alert" onClose={onClose}
      head={alert ? (
        <>
          <Severity severity={alert.severity} />
          <span className="t3 nowrap">Risk <b className="risk" style={{ color: 'var(--text-1)' }}>{Math.round(alert.risk_score)}</b></span>
          <TriageMenus things={things} of="alerts" triage={alert.triage} />
          <span className="grow" />
          {place !== undefined && <span className="t3 nowrap only-wide">{place}</span>}
        </>
      ) : <span className="grow" />}
      foot={alert && (
        <>
          <button type="button" className={detail.data?.can_analyze ? 'btn primary' : 'btn'} disabled={!detail.data?.can_analyze} title={detail.data?.can_analyze ? undefined : 'Its events name no process and no connection to draw'} onClick={analyze}><IconBinaryTree2 className="icon" size={14} /> Analyze <span className="only-wide"><Kbd>A</Kbd></span></button>
          <button type="button" className={detail.data?.can_analyze ? 'btn' : 'btn primary'} onClick={investigate}>Investigate <span className="only-wide"><Kbd>I</Kbd></span></button>
          <Menu transitionProps={{ duration: 0 }} position="top-start">
            <Menu.Target><button type="button" className="btn">Verdict <span className="only-wide"><Kbd>V</Kbd></span></button></Menu.Target>
            <Menu.Dropdown>
              {VERDICTS.map(({ value, word }) => <Menu.Item key={value} onClick={() => { change(things, { verdict: value, status: 'closed' }) }}>{word}</Menu.Item>)}
            </Menu.Dropdown>
          </Menu>
          <button type="button" className="btn" onClick={() => { setExcluding(true) }}>Exclude this <span className="only-wide"><Kbd>E</Kbd></span></button>
        </>
      )}
    >
      <Loaded query={detail} skeleton={<SkeletonText lines={5} />}>
        {(data) => (
          <>
            <div style={{ padding: '4px 16px 8px' }}>
              <p className="said"><Said parts={data.sentence} /></p>
              <Lines detail={data} />
            </div>
            <Tabs
              label="Parts of the alert" value={tab} onChange={onTab}
              choices={[
                { value: 'overview', label: 'Overview' },
                { value: 'table', label: 'Table', count: Object.keys(data.alert.document).length },
                { value: 'json', label: 'JSON' },
                { value: 'notes', label: 'Notes', count: data.alert.triage.notes.length },
              ]}
            />
            {tab === 'overview' && <Overview detail={data} />}
            {tab === 'table' && <DocumentFields document={data.alert.document} />}
            {tab === 'json' && <DocumentJson document={{ ...data.alert, document: undefined, ...data.alert.document }} label="Alert as JSON" />}
            {tab === 'notes' && <div className="scroll grow"><Notes of="alerts" id={data.alert.id} notes={data.alert.triage.notes} /></div>}
            {excluding && <ExceptionDialog rule={data.rule.id} ruleName={data.rule.name} highlighted={data.highlighted} onClose={() => { setExcluding(false) }} />}
          </>
        )}
      </Loaded>
    </Flyout>
  )
}

function Lines({ detail }: { detail: AlertDetail }) {
  const { alert, incident } = detail
  const now = useNow()
  return (
    <div style={{ marginTop: 8 }}>
      <div className="icon-line"><IconClock className="icon" size={14} /><Time at={alert.time} /> <span className="t3">{relative(new Date(alert.time), now)}</span>{alert.state === 'withdrawn' && <span className="tag warn">withdrawn</span>}{alert.building_block && <span className="tag">building block</span>}</div>
      <div className="icon-line"><IconShield className="icon" size={14} /><Link to="/rules/$id" params={{ id: alert.rule_id }} className="cut">{alert.rule}</Link></div>
      {incident && <div className="icon-line"><IconStack2 className="icon" size={14} /><Link to="/incidents/$id" params={{ id: incident.id }} className="cut">{incident.title}</Link><span className="t3 nowrap">{plural(incident.alerts, 'alert')}</span></div>}
      {(alert.triage.verdict !== null || alert.triage.tags.length > 0) && (
        <div className="icon-line" style={{ marginTop: 4 }}>{alert.triage.verdict !== null && <VerdictMark verdict={alert.triage.verdict} />}<Tags things={[{ id: alert.id, revision: alert.triage.revision }]} of="alerts" tags={alert.triage.tags} /></div>
      )}
    </div>
  )
}

const LONG = /command_line|script_block|message|original|body/

function Overview({ detail }: { detail: AlertDetail }) {
  const { alert, evidence, highlighted, related, suppressed, events, rule } = detail
  const [all, setAll] = useState(false)
  const legs = evidence.length === 0 ? related.filter(({ why }) => why.includes('leg')) : []
  const others = related.filter((each) => !legs.includes(each))
  const held = evidence.filter(({ held: holds }) => holds)
  // Where the long texts of the event hold what the clauses matched, it is marked there.
  const marks = held.flatMap(({ value }) => (typeof value === 'string' && value.length < 200 ? [value] : []))
  const long = Object.entries(alert.document).find(([field, value]) => LONG.test(field) && typeof value === 'string' && value.length > 40)
  return (
    <div className="scroll grow">
      <section className="section">
        <h2>Why it fired {evidence.length > 0 && <small>{held.length} of {plural(evidence.length, 'condition')}</small>}</h2>
        {legs.length > 0 && <><p className="t2">These came together:</p><Beside rows={legs} /></>}
        {long && <Code text={asText(long[1])} marks={marks} label={long[0]} />}
        <ul className="points" style={{ marginTop: long ? 8 : 0 }}>
          {(all ? evidence : evidence.slice(0, 6)).map((clause, index) => (
            <li key={index}>
              {clause.held ? <IconCheck className="icon ok" size={14} aria-label="held" /> : <IconX className="icon t3" size={14} aria-label="did not hold" />}
              <span title={clause.clause}>{shorten(clause.clause, 180)}{clause.field !== null && clause.value !== null && clause.value !== undefined && asText(clause.value).length < 160 && <> <FieldValue field={clause.field} value={clause.value} whole /></>}</span>
            </li>
          ))}
          {!all && evidence.length > 6 && <li><span /><button type="button" className="link" onClick={() => { setAll(true) }}>All {evidence.length} conditions</button></li>}
        </ul>
      </section>
      {detail.can_analyze && <WhatLed alert={alert} />}
      {highlighted.length > 0 && (
        <section className="section">
          <h2>What stands out</h2>
          <KeyValue facts={highlighted.filter(({ field }) => field !== null).map((part) => [part.field ?? '', <FieldValue key={part.field} field={part.field ?? ''} value={part.value ?? part.text} whole />] as const)} />
        </section>
      )}
      <HowCommon key={alert.id} facts={highlighted} />
      {others.length > 0 && (
        <section className="section">
          <h2>Beside it <small>{plural(others.length, 'alert')}</small></h2>
          <Beside rows={others} />
        </section>
      )}
      {(suppressed.length > 0 || events.length > 1 || alert.suppressed > 0) && (
        <section className="section">
          <h2>Events <small>{plural(events.length, 'event')}{alert.suppressed > 0 && `, ${plural(alert.suppressed, 'repeat')} silenced`}</small></h2>
          <ul className="points">
            {[...events, ...suppressed].slice(0, 20).map((found) => <li key={found.id}><Time at={found.time} /><span><Link to="/discover" search={{ q: `tocsin.id: ${found.id}`, from: new Date(Date.parse(found.time) - 60_000).toISOString(), to: new Date(Date.parse(found.time) + 60_000).toISOString(), doc: found.id }}>{asText(found.document['event.action'] ?? found.document['event.dataset'] ?? found.id)}</Link></span></li>)}
          </ul>
        </section>
      )}
      <section className="section">
        <h2>The rule</h2>
        <KeyValue
          facts={[
            ['Kind', `${rule.type}${rule.own ? ', made here' : ''}`],
            rule.techniques.length > 0 && ['ATT&CK', rule.techniques.map(({ technique, tactic, name, tactic_name }) => `${technique || tactic} ${name || tactic_name}`).join(', ')],
            detail.false_positives.length > 0 && ['May be benign', detail.false_positives.join(' ')],
            detail.misses !== '' && ['Misses', detail.misses],
          ]}
        />
        {detail.note !== '' && <div style={{ marginTop: 6 }}><Prose text={detail.note} /></div>}
        <p style={{ marginTop: 6 }}><Link to="/alerts" search={{ rule: [alert.rule_id], status: ['any'] }}>All alerts of this rule</Link></p>
      </section>
      {alert.triage.notes.length > 0 && <p className="section icon-line"><IconMessage className="icon" size={14} /> {plural(alert.triage.notes.length, 'note')}</p>}
    </div>
  )
}

function Beside({ rows }: { rows: AlertDetail['related'] }) {
  return (
    <ul className="points">
      {rows.map(({ alert: other, why }) => (
        <li key={other.id}>
          <SeverityMark severity={other.severity} size={14} />
          <span><Link to="/alerts" search={{ alert: other.id, status: ['any'] }}>{other.rule}</Link> <span className="t3">{why}, <Time at={other.time} /></span></span>
        </li>
      ))}
    </ul>
  )
}

function WhatLed({ alert }: { alert: AlertRow }) {
  const graph = useGraph({ alert: alert.id })
  return (
    <section className="section">
      <h2>What led here</h2>
      <Loaded query={graph} skeleton={<SkeletonText lines={2} />}>{(data) => <MiniPath graph={data} alert={alert.id} />}</Loaded>
    </section>
  )
}
