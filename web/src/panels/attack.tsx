/** ATT&CK's tactics in a row, those that were seen marked. */

/** Ids and names of the enterprise tactics, in the order of an attack. */
export const TACTICS: readonly (readonly [id: string, name: string])[] = [
  ['TA0043', 'Recon\u00adnaissance'], ['TA0042', 'Resource develop\u00adment'], ['TA0001', 'Initial access'], ['TA0002', 'Execution'], ['TA0003', 'Persistence'], ['TA0004', 'Privilege esca\u00adlation'], ['TA0005', 'Defense evasion'],
  ['TA0006', 'Credential access'], ['TA0007', 'Discovery'], ['TA0008', 'Lateral movement'], ['TA0009', 'Collection'], ['TA0011', 'Command and control'], ['TA0010', 'Exfiltration'], ['TA0040', 'Impact'],
]

/** `seen` holds how many rules of the story belong to each tactic. */
export function TacticStrip({ seen }: { seen: ReadonlyMap<string, number> }) {
  if (seen.size === 0) return null
  return (
    <ol className="strip" aria-label="ATT&CK tactics">
      {TACTICS.map(([id, name]) => {
        const has = seen.get(id) ?? 0
        return <li key={id} className={has > 0 ? 'hit' : undefined} title={name.replaceAll('\u00ad', '')}>{name}{has > 0 && <> {has}</>}</li>
      })}
    </ol>
  )
}
