/** How the system is. */
import { useQuery } from '@tanstack/react-query'

import { request } from './client'
import type { SourcesPage, StatusPage } from './types'

/** What Home and the rail show. */
export function useStatus() {
  return useQuery({ queryKey: ['status'], queryFn: ({ signal }) => request<StatusPage>('GET', '/status', { signal }), refetchInterval: 15_000 })
}

/** What sends, how much, how late, and what could not be read. */
export function useSources() {
  return useQuery({ queryKey: ['sources'], queryFn: ({ signal }) => request<SourcesPage>('GET', '/sources', { signal }), refetchInterval: 15_000 })
}
