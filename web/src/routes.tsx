/** Which address shows which page; pages load when they are first asked for. */
import type { QueryClient } from '@tanstack/react-query'
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router'

import { graphQuery } from './api/analyzer'
import { Root } from './pages/root'
import { alertsAddress, analyzerAddress, discoverAddress, incidentsAddress, rulesAddress, sourcesAddress } from './pages/addresses'
import { NotFound } from './pages/notfound'

const root = createRootRouteWithContext<{ queries: QueryClient }>()({ component: Root, notFoundComponent: NotFound })
const showHome = lazyRouteComponent(() => import('./pages/home'), 'Home')
const home = createRoute({ getParentRoute: () => root, path: '/', component: showHome })
const setUp = createRoute({ getParentRoute: () => root, path: '/set-up', component: showHome })
const alerts = createRoute({ getParentRoute: () => root, path: '/alerts', validateSearch: alertsAddress, component: lazyRouteComponent(() => import('./pages/alerts'), 'Alerts') })
const incidents = createRoute({ getParentRoute: () => root, path: '/incidents', validateSearch: incidentsAddress, component: lazyRouteComponent(() => import('./pages/incidents'), 'Incidents') })
const incident = createRoute({ getParentRoute: () => root, path: '/incidents/$id', component: lazyRouteComponent(() => import('./pages/incident'), 'Incident') })
const discover = createRoute({ getParentRoute: () => root, path: '/discover', validateSearch: discoverAddress, component: lazyRouteComponent(() => import('./pages/discover'), 'Discover') })
const analyzer = createRoute({
  getParentRoute: () => root, path: '/analyzer', validateSearch: analyzerAddress, component: lazyRouteComponent(() => import('./pages/analyzer'), 'Analyzer'),
  // The graph takes longest: it is asked for while the page's code still loads, and not again when a node is picked.
  loaderDeps: ({ search: { alert, event } }) => ({ alert, event }),
  loader: ({ context, deps }) => { if (deps.alert !== undefined || deps.event !== undefined) void context.queries.query(graphQuery(deps)).catch(() => undefined) },
  staleTime: Infinity,
})
const rules = createRoute({ getParentRoute: () => root, path: '/rules', validateSearch: rulesAddress, component: lazyRouteComponent(() => import('./pages/rules'), 'Rules') })
const rule = createRoute({ getParentRoute: () => root, path: '/rules/$id', component: lazyRouteComponent(() => import('./pages/rule'), 'Rule') })
const sources = createRoute({ getParentRoute: () => root, path: '/sources', validateSearch: sourcesAddress, component: lazyRouteComponent(() => import('./pages/sources'), 'Sources') })
const settings = createRoute({ getParentRoute: () => root, path: '/settings', component: lazyRouteComponent(() => import('./pages/settings'), 'Settings') })
const settingsPart = createRoute({ getParentRoute: () => root, path: '/settings/$part', component: lazyRouteComponent(() => import('./pages/settings'), 'Settings') })

export const router = createRouter({
  routeTree: root.addChildren([home, setUp, alerts, incidents, incident, discover, analyzer, rules, rule, sources, settings, settingsPart]),
  defaultPreload: false,
  // main.tsx has the real one.
  context: { queries: undefined as unknown as QueryClient },
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
