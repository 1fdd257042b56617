import { Segments } from '../../ui/controls'
import { setPrefs, usePrefs } from '../../ui/prefs'

/** Theme, zone and density, kept in this browser. */
export function Appearance() {
  const prefs = usePrefs()
  return (
    <section className="settings-part">
      <h2>Appearance</h2>
      <div className="field"><span>Theme</span><div><Segments label="Theme" value={prefs.theme} onChange={(theme) => { setPrefs({ theme }) }} choices={[{ value: 'dark', label: 'Dark' }, { value: 'light', label: 'Light' }, { value: 'contrast', label: 'High contrast' }]} /></div></div>
      <div className="field"><span>Times</span><div><Segments label="Times" value={prefs.zone} onChange={(zone) => { setPrefs({ zone }) }} choices={[{ value: 'UTC', label: 'UTC' }, { value: 'local', label: 'This computer’s zone' }]} /></div></div>
      <div className="field"><span>Rows</span><div><Segments label="Rows" value={prefs.density} onChange={(density) => { setPrefs({ density }) }} choices={[{ value: 'compact', label: 'Compact' }, { value: 'normal', label: 'Normal' }, { value: 'relaxed', label: 'Relaxed' }]} /></div></div>
      <p className="t3">Kept in this browser only.</p>
    </section>
  )
}
