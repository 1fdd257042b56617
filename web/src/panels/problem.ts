/** A refusal of the API as the query bar shows it. */
import { ApiError } from '../api/client'
import type { QueryProblem } from '../ui/querybar'

/** The first place of a wrong query; undefined when the error is of another kind. */
export function problemOf(error: Error | null): QueryProblem | undefined {
  if (!(error instanceof ApiError) || error.status < 400 || error.status >= 500 || error.status === 401 || error.status === 403) return undefined
  const [first] = error.problems
  if (!first) return error.status === 400 || error.status === 422 ? { message: error.message, hint: error.hint || undefined } : undefined
  return { message: first.what, line: first.line, column: first.column, hint: first.hint || error.hint || undefined }
}
