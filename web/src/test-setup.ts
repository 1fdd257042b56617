import { cleanup } from '@testing-library/react'
import { afterEach } from 'vitest'

afterEach(cleanup)

// jsdom has no layout: what Mantine and the virtual list ask for.
if (typeof window !== 'undefined') {
  window.matchMedia = (query: string) =>
    ({
      matches: false, media: query, onchange: null,
      addEventListener: () => undefined, removeEventListener: () => undefined,
      dispatchEvent: () => false,
    }) as unknown as MediaQueryList
  window.ResizeObserver = class {
    observe() { /* no layout to observe */ }
    unobserve() { /* no layout to observe */ }
    disconnect() { /* no layout to observe */ }
  }
}
