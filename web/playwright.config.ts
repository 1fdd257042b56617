import { defineConfig } from '@playwright/test'

const port = Number(process.env.TOCSIN_E2E_PORT ?? 4173)

/** Recorded answers run on `vite preview`, two pages at a time; worked-example.spec.ts drives the server at TOCSIN_URL. */
const recorded = process.env.TOCSIN_URL === undefined

export default defineConfig({
  testDir: 'e2e',
  fullyParallel: recorded,
  workers: recorded ? 2 : 1,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: process.env.CI ? [['line'], ['html', { open: 'never' }]] : 'line',
  use: {
    baseURL: `http://127.0.0.1:${port}`,
    viewport: { width: 1440, height: 900 },
    timezoneId: 'UTC',
    locale: 'en-GB',
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
        '--disable-background-networking', '--disable-component-update', '--disable-sync',
      ],
    },
  },
  webServer: {
    command: `npx vite preview --host 127.0.0.1 --port ${port} --strictPort`,
    port,
    reuseExistingServer: true,
  },
})
