/** Incidents. */
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'

import { part, request } from './client'
import type { IncidentDetail, IncidentPage, IncidentSearch, Regrouped } from './types'

/** Incidents by score or by last change. */
export function useIncidents(search: IncidentSearch) {
  return useQuery({
    queryKey: ['incidents', search],
    queryFn: ({ signal }) => request<IncidentPage>('POST', '/incidents/search', { body: search, signal }),
    placeholderData: keepPreviousData,
    retry: false,
  })
}

/** Make other incidents one with this, or take alerts out of it; where they are afterwards. */
export function useRegroup(id: string) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({ how, ...body }: { how: 'merge'; incidents: string[] } | { how: 'split'; alerts: string[] }) => request<Regrouped>('POST', `/incidents/${part(id)}/${how}`, { body }),
    onSettled: () => Promise.all(['alerts', 'alert', 'incidents', 'incident', 'status'].map((name) => queries.invalidateQueries({ queryKey: [name] }))),
  })
}

/** One incident with its story. */
export function useIncident(id: string) {
  return useQuery({ queryKey: ['incident', id], queryFn: ({ signal }) => request<IncidentDetail>('GET', `/incidents/${part(id)}`, { signal }), retry: false })
}
