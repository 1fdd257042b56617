/** The graph around an alert or an event. */
import { queryOptions, useQuery } from '@tanstack/react-query'

import { request } from './client'
import type { Graph, SearchPage } from './types'

/** What the graph is drawn around. */
export interface Around {
  alert?: string | undefined
  event?: string | undefined
}

/** How the graph is asked for; it is kept a minute, so that coming back to it draws at once. */
export const graphQuery = ({ alert, event }: Around) => queryOptions({
  queryKey: ['graph', alert, event],
  queryFn: ({ signal }) => request<Graph>('GET', '/analyzer', { query: { alert, event }, signal }),
  retry: false,
  staleTime: 60_000,
})

/** Processes, scripts and connections around it. */
export function useGraph(around: Around) {
  return useQuery({ ...graphQuery(around), enabled: around.alert !== undefined || around.event !== undefined })
}

/** The events of one node, of one category or all. */
export function useNodeEvents({ alert, event }: Around, node: string | undefined, category: string | undefined) {
  return useQuery({
    queryKey: ['graph', alert, event, 'events', node, category],
    queryFn: ({ signal }) => request<SearchPage>('GET', '/analyzer/events', { query: { node, category, limit: 200, graph: alert ?? event }, signal }),
    enabled: node !== undefined,
    retry: false,
  })
}
