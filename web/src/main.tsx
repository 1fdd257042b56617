import '@fontsource-variable/inter/wght.css'
import '@fontsource-variable/jetbrains-mono/wght.css'
import '@mantine/core/styles.css'
import './ui/tokens.css'
import './ui/mantine.css'
import './ui/kit.css'

import { createTheme, MantineProvider } from '@mantine/core'
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode, useEffect } from 'react'
import { createRoot } from 'react-dom/client'

import { ApiError } from './api/client'
import { router } from './routes'
import { usePrefs } from './ui/prefs'

const theme = createTheme({ defaultRadius: 5, fontFamily: 'var(--font-text)', fontFamilyMonospace: 'var(--font-mono)', respectReducedMotion: true, cursorType: 'pointer' })

const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error, query) => {
      // The session ended: the sign-in takes the page's place, the address stays.
      if (error instanceof ApiError && error.status === 401 && query.queryKey[0] !== 'me') queries.setQueryData(['me'], null)
    },
  }),
  defaultOptions: { queries: { retry: 1, refetchOnWindowFocus: false, staleTime: 5_000 } },
})

/** Three themes of ours; Mantine knows the two of them that it has. */
function Themed() {
  const prefs = usePrefs()
  useEffect(() => { document.documentElement.dataset.theme = prefs.theme }, [prefs.theme])
  return (
    <MantineProvider theme={theme} forceColorScheme={prefs.theme === 'light' ? 'light' : 'dark'} withCssVariables={false} withGlobalClasses={false}>
      <RouterProvider router={router} context={{ queries }} />
    </MantineProvider>
  )
}

const place = document.getElementById('root')
if (place) {
  createRoot(place).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <Themed />
      </QueryClientProvider>
    </StrictMode>,
  )
}
