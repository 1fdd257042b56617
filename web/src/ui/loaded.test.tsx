import { fireEvent, render, screen } from '@testing-library/react'
import { describe, expect, it, vi } from 'vitest'

import { Loaded } from './loaded'

const refetch = vi.fn()

describe('what is loaded', () => {
  it('waits, and says so to screen readers', () => {
    render(<Loaded query={{ data: undefined, error: null, isPending: true, refetch }}>{() => 'drawn'}</Loaded>)
    expect(screen.getByRole('status', { name: 'Waiting for data' })).toBeTruthy()
    expect(screen.queryByText('drawn')).toBeNull()
  })

  it('fails with the reason and a way on', () => {
    render(<Loaded query={{ data: undefined, error: new Error('The store did not answer.'), isPending: false, refetch }}>{() => 'drawn'}</Loaded>)
    expect(screen.getByRole('alert').textContent).toContain('The store did not answer.')
    fireEvent.click(screen.getByRole('button', { name: 'Try again' }))
    expect(refetch).toHaveBeenCalledOnce()
  })

  it('keeps what is there when a renewal fails', () => {
    render(<Loaded query={{ data: [1], error: new Error('Gone.'), isPending: false, refetch }}>{() => <p>drawn</p>}</Loaded>)
    expect(screen.getByText('drawn')).toBeTruthy()
    expect(screen.getByRole('alert').textContent).toContain('What you see is from before.')
  })

  it('tells how to fill emptiness', () => {
    render(<Loaded query={{ data: [], error: null, isPending: false, refetch }} empty="Nothing yet.">{() => 'drawn'}</Loaded>)
    expect(screen.getByText('Nothing yet.')).toBeTruthy()
  })
})
