/** Severity: a shape, a letter, a word; colour last. */

export const SEVERITIES = ['critical', 'high', 'medium', 'low', 'info'] as const
export type SeverityName = (typeof SEVERITIES)[number]

/** The severity a text means; products write `informational` and much else. */
export function severityOf(text: string | null | undefined): SeverityName {
  const name = (text ?? '').toLowerCase()
  return SEVERITIES.find((severity) => severity === name) ?? 'info'
}

const WORDS: Record<SeverityName, string> = { critical: 'Critical', high: 'High', medium: 'Medium', low: 'Low', info: 'Info' }
const LETTER = { fontFamily: 'var(--font-text)', fontWeight: 700 }

function Shape({ severity }: { severity: SeverityName }) {
  const letter = (y: number, size: number, text: string) => (
    <text x="8" y={y} textAnchor="middle" fontSize={size} fill={`var(--on-${severity})`} style={LETTER}>{text}</text>
  )
  switch (severity) {
    case 'critical': return <><path d="M8 .4 15.6 8 8 15.6.4 8z" fill="currentColor" />{letter(11.1, 8.8, 'C')}</>
    case 'high': return <><path d="M8 1 15.7 14.7H.3z" fill="currentColor" stroke="currentColor" strokeWidth=".6" strokeLinejoin="round" />{letter(13, 7.8, 'H')}</>
    case 'medium': return <><rect x="1.6" y="1.6" width="12.8" height="12.8" rx="1" fill="currentColor" style={{ stroke: 'var(--edge-medium)' }} />{letter(11.2, 8.8, 'M')}</>
    case 'low': return <><circle cx="8" cy="8" r="6.9" fill="currentColor" />{letter(11.1, 8.8, 'L')}</>
    case 'info': return <><circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" strokeWidth="1.4" /><path d="M8 7.2v4" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" /><circle cx="8" cy="4.8" r=".95" fill="currentColor" /></>
  }
}

interface SeverityProps {
  severity: SeverityName
  size?: number
  /** The word stands beside it already. */
  decorative?: boolean
}

/** The mark alone. */
export function SeverityMark({ severity, size = 16, decorative = false }: SeverityProps) {
  const said = decorative ? { 'aria-hidden': true } : { role: 'img', 'aria-label': WORDS[severity] }
  return (
    <svg className={`sev-${severity}`} viewBox="0 0 16 16" width={size} height={size} {...said}>
      <Shape severity={severity} />
    </svg>
  )
}

/** The mark and its word. */
export function Severity({ severity }: { severity: SeverityName }) {
  return (
    <span className="sev-word">
      <SeverityMark severity={severity} decorative />
      {WORDS[severity]}
    </span>
  )
}

/** The word alone, for a sentence. */
export function severityWord(severity: SeverityName): string {
  return WORDS[severity]
}
