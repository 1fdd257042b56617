/** Rules, their exceptions, and the lists that they use. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'

import { part, request } from './client'
import type { ExceptionDraft, ExceptionPreview, ListTable, RuleChange, RuleDetail, RuleDraft, RulePreview, RulesPage } from './types'

/** Every rule; the page narrows. */
export function useRules() {
  return useQuery({ queryKey: ['rules'], queryFn: ({ signal }) => request<RulesPage>('GET', '/rules', { signal }), staleTime: 30_000 })
}

/** One rule with its evidence. */
export function useRule(id: string) {
  return useQuery({ queryKey: ['rule', id], queryFn: ({ signal }) => request<RuleDetail>('GET', `/rules/${part(id)}`, { signal }), retry: false })
}

function useKept() {
  const queries = useQueryClient()
  return (detail: RuleDetail) => {
    queries.setQueryData(['rule', detail.rule.id], detail)
    return queries.invalidateQueries({ queryKey: ['rules'] })
  }
}

/** Make a rule. */
export function useMakeRule() {
  const kept = useKept()
  return useMutation({ mutationFn: (body: RuleDraft) => request<RuleDetail>('POST', '/rules', { body }), onSuccess: kept })
}

/** On, off, or another text of an own rule. */
export function useChangeRule() {
  const kept = useKept()
  return useMutation({ mutationFn: ({ id, change }: { id: string; change: RuleChange }) => request<RuleDetail>('PATCH', `/rules/${part(id)}`, { body: change }), onSuccess: kept })
}

/** Delete an own rule. */
export function useDropRule() {
  const queries = useQueryClient()
  return useMutation({ mutationFn: (id: string) => request<undefined>('DELETE', `/rules/${part(id)}`), onSuccess: () => queries.invalidateQueries({ queryKey: ['rules'] }) })
}

/** What a draft would have found. */
export function usePreviewRule() {
  return useMutation({ mutationFn: (body: RuleDraft) => request<RulePreview>('POST', '/rules/preview', { body }) })
}

/** Leave something out of a rule. */
export function useMakeException(id: string) {
  const kept = useKept()
  return useMutation({ mutationFn: (body: ExceptionDraft) => request<RuleDetail>('POST', `/rules/${part(id)}/exceptions`, { body }), onSuccess: kept })
}

/** What an exception would have hidden. */
export function usePreviewException(id: string) {
  return useMutation({ mutationFn: (body: ExceptionDraft) => request<ExceptionPreview>('POST', `/rules/${part(id)}/exceptions/preview`, { body }) })
}

/** Take an exception back. */
export function useDropException(id: string) {
  const kept = useKept()
  return useMutation({ mutationFn: (number: number) => request<RuleDetail>('DELETE', `/rules/${part(id)}/exceptions/${number}`), onSuccess: kept })
}

/** The lists that rules use. */
export function useLists() {
  return useQuery({ queryKey: ['lists'], queryFn: ({ signal }) => request<ListTable[]>('GET', '/lists', { signal }) })
}

/** Replace a list's rows. */
export function useKeepList() {
  const queries = useQueryClient()
  return useMutation({ mutationFn: (list: ListTable) => request<ListTable>('PUT', `/lists/${part(list.name)}`, { body: list }), onSuccess: () => queries.invalidateQueries({ queryKey: ['lists'] }) })
}
