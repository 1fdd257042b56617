/** Who is signed in. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'

import { ApiError, request, setCsrf } from './client'
import type { Me, Setup, SetupRequest, SignIn } from './types'

async function me(): Promise<Me | null> {
  try {
    const who = await request<Me>('GET', '/me')
    setCsrf(who.csrf)
    return who
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null
    throw error
  }
}

/** The person at the screen; null when nobody is signed in. */
export function useMe() {
  return useQuery({ queryKey: ['me'], queryFn: me, staleTime: 5 * 60_000, retry: false })
}

/** Whether the first admin is still to be made. */
export function useSetup(enabled: boolean) {
  return useQuery({ queryKey: ['setup'], queryFn: ({ signal }) => request<Setup>('GET', '/setup', { signal }), enabled, retry: false })
}

function useEntry<T>(path: string) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: T) => request<Me>('POST', path, { body }),
    onSuccess: (who) => {
      setCsrf(who.csrf)
      queries.setQueryData(['setup'], { needed: false })
      queries.setQueryData(['me'], who)
    },
  })
}

/** Name and password. */
export const useSignIn = () => useEntry<SignIn>('/session')

/** Make the first admin, who is signed in at once. */
export const useSetUp = () => useEntry<SetupRequest>('/setup')

/** Leave; nothing of what was seen stays in the page. */
export function useSignOut() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: () => request<undefined>('DELETE', '/session'),
    onSettled: () => {
      setCsrf('')
      // First the person, whom the page watches; then everything that was seen.
      queries.setQueryData(['me'], null)
      queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'me' })
    },
  })
}
