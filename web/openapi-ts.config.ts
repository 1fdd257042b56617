import { defineConfig } from '@hey-api/openapi-ts'

/** `npm run types`: the API's types from openapi.json, which the server writes. */
export default defineConfig({
  input: 'openapi.json',
  output: { path: 'src/api/generated', clean: true },
  plugins: ['@hey-api/typescript'],
})
