/** The one place that speaks HTTP. */
import type { Problem, QueryProblem } from './types'

/** A refusal of the server, in the words of its `application/problem+json`. */
export class ApiError extends Error {
  readonly status: number
  readonly hint: string
  readonly problems: readonly QueryProblem[]

  constructor(status: number, problem: Partial<Problem>) {
    super(problem.detail || problem.title || `The server answered ${status}.`)
    this.name = 'ApiError'
    this.status = status
    this.hint = problem.hint ?? ''
    this.problems = problem.problems ?? []
  }
}

let csrf = ''

/** Every request that changes something carries it; `GET /me` and signing in bring it. */
export function setCsrf(token: string): void {
  csrf = token
}

interface Options {
  body?: unknown
  query?: Readonly<Record<string, string | number | undefined>>
  signal?: AbortSignal
}

/**
 * One request to `/api/v1`.
 *
 * @throws ApiError when the server refuses or can't be reached.
 */
export async function request<T>(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, { body, query = {}, signal }: Options = {}): Promise<T> {
  const search = new URLSearchParams(Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])))
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (method !== 'GET') headers['X-CSRF'] = csrf
  let response: Response
  try {
    response = await fetch(`/api/v1${path}${search.size > 0 ? `?${search.toString()}` : ''}`, {
      method, headers, credentials: 'same-origin',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiError(0, { detail: 'The server can’t be reached. Is tocsin serve running?' })
  }
  if (response.ok) return (response.status === 204 ? undefined : await response.json()) as T
  let problem: Partial<Problem> = {}
  try {
    problem = (await response.json()) as Partial<Problem>
  } catch {
    // A proxy's page, most likely: its status has to do.
  }
  throw new ApiError(response.status, problem)
}

/** Part of a path: what stands in an id can't change where the request goes. */
export const part = encodeURIComponent
