/** People, keys, notifications, the audit. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'

import { part, request } from './client'
import type { AuditEntry, Delivery, Key, KeyDraft, NewKey, Notifications, User, UserChange, UserDraft } from './types'

/** Everybody with an account. */
export function useUsers() {
  return useQuery({ queryKey: ['users'], queryFn: ({ signal }) => request<User[]>('GET', '/users', { signal }), retry: false })
}

/** Names that alerts can be assigned to; empty where the role may not list people. */
export function useAssignees(me: string | undefined): readonly string[] {
  const users = useUsers()
  return users.data ? users.data.filter(({ disabled }) => !disabled).map(({ username }) => username) : me === undefined ? [] : [me]
}

/** A new account. */
export function useMakeUser() {
  const queries = useQueryClient()
  return useMutation({ mutationFn: (body: UserDraft) => request<User>('POST', '/users', { body }), onSuccess: () => queries.invalidateQueries({ queryKey: ['users'] }) })
}

/** Another role, another password, disabled or not. */
export function useChangeUser() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({ username, change }: { username: string; change: UserChange }) => request<User>('PATCH', `/users/${part(username)}`, { body: change }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['users'] }),
  })
}

/** Keys of shippers and programs. */
export function useKeyList() {
  return useQuery({ queryKey: ['keys'], queryFn: ({ signal }) => request<Key[]>('GET', '/keys', { signal }), retry: false })
}

/** A new key; its secret is in this answer and nowhere else. */
export function useMakeKey() {
  const queries = useQueryClient()
  return useMutation({ mutationFn: (body: KeyDraft) => request<NewKey>('POST', '/keys', { body }), onSuccess: () => queries.invalidateQueries({ queryKey: ['keys'] }) })
}

/** A key stops working at once. */
export function useDropKey() {
  const queries = useQueryClient()
  return useMutation({ mutationFn: (id: string) => request<undefined>('DELETE', `/keys/${part(id)}`), onSuccess: () => queries.invalidateQueries({ queryKey: ['keys'] }) })
}

/** Where somebody is told. */
export function useNotifications() {
  return useQuery({ queryKey: ['notifications'], queryFn: ({ signal }) => request<Notifications>('GET', '/notifications', { signal }), retry: false })
}

/** Replace the channels. */
export function useKeepNotifications() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: Notifications) => request<Notifications>('PUT', '/notifications', { body }),
    onSuccess: (kept) => { queries.setQueryData(['notifications'], kept) },
  })
}

/** Send a test to every channel. */
export function useTestNotifications() {
  const queries = useQueryClient()
  return useMutation({ mutationFn: () => request<Delivery[]>('POST', '/notifications/test'), onSuccess: () => queries.invalidateQueries({ queryKey: ['notifications'] }) })
}

/** Who did what, newest first. */
export function useAudit() {
  return useQuery({ queryKey: ['audit'], queryFn: ({ signal }) => request<AuditEntry[]>('GET', '/audit', { query: { limit: 200 }, signal }), retry: false })
}
