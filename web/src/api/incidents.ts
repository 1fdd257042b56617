/** Incidents. */
import { keepPreviousData, useQuery } from '@tanstack/react-query'

import { part, request } from './client'
import type { IncidentDetail, IncidentPage, IncidentSearch } from './types'

/** Incidents by score or by last change. */
export function useIncidents(search: IncidentSearch) {
  return useQuery({
    queryKey: ['incidents', search],
    queryFn: ({ signal }) => request<IncidentPage>('POST', '/incidents/search', { body: search, signal }),
    placeholderData: keepPreviousData,
    retry: false,
  })
}

/** One incident with its story. */
export function useIncident(id: string) {
  return useQuery({ queryKey: ['incident', id], queryFn: ({ signal }) => request<IncidentDetail>('GET', `/incidents/${part(id)}`, { signal }), retry: false })
}
