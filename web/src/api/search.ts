/** Searching events. */
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query'

import { part, request } from './client'
import type { FieldInfo, Found, HistogramPage, HistogramRequest, SearchPage, SearchRequest, Suggestion, TopPage, TopRequest } from './types'

/** Every field that can be asked for. */
export function useFields() {
  return useQuery({ queryKey: ['fields'], queryFn: ({ signal }) => request<FieldInfo[]>('GET', '/fields', { query: { q: '', of: 'events' }, signal }), staleTime: 5 * 60_000 })
}

/** Pages of documents, each with the exact total. */
export function useSearch(search: SearchRequest, renew: number | false = false) {
  return useInfiniteQuery({
    queryKey: ['search', search],
    queryFn: ({ signal, pageParam }) => request<SearchPage>('POST', '/search', { body: { ...search, after: pageParam }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    refetchInterval: renew,
    retry: false,
  })
}

/** How many matches over time. */
export function useHistogram(search: HistogramRequest, renew: number | false = false, enabled = true) {
  return useQuery({
    enabled,
    queryKey: ['histogram', search],
    queryFn: ({ signal }) => request<HistogramPage>('POST', '/histogram', { body: search, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: renew,
    retry: false,
  })
}

/** A field's commonest values. */
export function useTop(search: TopRequest, enabled: boolean) {
  return useQuery({ queryKey: ['top', search], queryFn: ({ signal }) => request<TopPage>('POST', '/top', { body: search, signal }), enabled, retry: false })
}

/** Which fields the matches have, and how many matches have each. */
export function usePresent(search: SearchRequest, renew: number | false = false, enabled = true) {
  return useQuery({
    enabled,
    queryKey: ['present', search],
    queryFn: ({ signal }) => request<Record<string, number>>('POST', '/present', { body: search, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: renew,
    retry: false,
  })
}

/** One document by its id. */
export function useDocument(of: 'events' | 'alerts' | 'incidents', id: string | undefined) {
  return useQuery({ queryKey: ['document', of, id], queryFn: ({ signal }) => request<Found>('GET', `/documents/${of}/${part(id ?? '')}`, { signal }), enabled: id !== undefined, retry: false })
}

/** What could stand at the caret. */
export function complete(text: string, cursor: number, language: NonNullable<SearchRequest['language']>, signal?: AbortSignal): Promise<Suggestion[]> {
  return request<Suggestion[]>('POST', '/complete', { body: { text, cursor, language }, ...(signal ? { signal } : {}) })
}
