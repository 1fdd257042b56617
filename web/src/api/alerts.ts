/** Alerts, and what people decide about them. */
import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'

import { part, request } from './client'
import type { AlertDetail, AlertPage, AlertSearch, HistogramPage, Note, TriageChange, TriageResult } from './types'

/** Pages of alerts, with exact counts by severity. */
export function useAlerts(search: AlertSearch, renew: number | false = false) {
  return useInfiniteQuery({
    queryKey: ['alerts', search],
    queryFn: ({ signal, pageParam }) => request<AlertPage>('POST', '/alerts/search', { body: { ...search, after: pageParam }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    refetchInterval: renew,
    retry: false,
  })
}

/** Alerts over time, split by severity. */
export function useAlertTrend(search: AlertSearch, renew: number | false = false) {
  return useQuery({
    queryKey: ['alerts', 'trend', search],
    queryFn: ({ signal }) => request<HistogramPage>('POST', '/alerts/trend', { body: search, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: renew,
    retry: false,
  })
}

/** Everything of one alert. */
export function useAlert(id: string | undefined) {
  return useQuery({ queryKey: ['alert', id], queryFn: ({ signal }) => request<AlertDetail>('GET', `/alerts/${part(id ?? '')}`, { signal }), enabled: id !== undefined, retry: false })
}

export type Triaged = 'alerts' | 'incidents'

/** Change status, verdict, owner or tags of many at once; a revision that is no longer the current one is refused. */
export function useTriage(of: Triaged) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: { ids: string[]; change: TriageChange; revisions?: Record<string, number> }) => request<TriageResult>('POST', `/${of}/triage`, { body }),
    onSettled: () => Promise.all(['alerts', 'alert', 'incidents', 'incident', 'status'].map((name) => queries.invalidateQueries({ queryKey: [name] }))),
  })
}

/** Write a note. */
export function useNote(of: Triaged, id: string) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (text: string) => request<Note>('POST', `/${of}/${part(id)}/notes`, { body: { text } }),
    onSuccess: () => queries.invalidateQueries({ queryKey: [of === 'alerts' ? 'alert' : 'incident', id] }),
  })
}
