import { render, screen } from '@testing-library/react'
import { expect, it } from 'vitest'

import { SEVERITIES, Severity, SeverityMark, severityOf } from './severity'

it('tells severities apart without colour: shape, letter and word', () => {
  const shapes = SEVERITIES.map((severity) => {
    const { container, unmount } = render(<SeverityMark severity={severity} />)
    const drawn = [...container.querySelectorAll('svg > *')].map((each) => `${each.tagName} ${each.getAttribute('d') ?? ''} ${each.textContent}`).join()
    unmount()
    return drawn
  })
  expect(new Set(shapes).size).toBe(SEVERITIES.length)
  render(<Severity severity="critical" />)
  expect(screen.getByText('Critical')).toBeTruthy()
})

it('reads what others write', () => {
  expect([severityOf('HIGH'), severityOf('informational'), severityOf(null)]).toEqual(['high', 'info', 'info'])
})
