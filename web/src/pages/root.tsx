/** Signed in: the shell. Not yet: the sign-in, in the page's place, so that the address stays. */
import { useMe, useSetup } from '../api/session'
import { Shell } from '../panels/shell'
import { Failed } from '../ui/loaded'
import { SetUp, SignInForm } from './entry'

/** What every address begins with. */
export function Root() {
  const me = useMe()
  const setup = useSetup(me.data === null)
  if (me.data) return <Shell />
  if (me.error) return <main className="gate"><div><Failed error={me.error} retry={() => me.refetch()} /></div></main>
  if (me.data === undefined || setup.isPending) return <main className="gate" aria-busy="true" />
  if (setup.data?.needed) return <SetUp />
  return <SignInForm />
}
