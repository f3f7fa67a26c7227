import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// The lab's own tests: each starts a whole machine in software emulation, so one at a time and with patience.
export default defineConfig({
  test: {
    name: 'lab',
    dir: fileURLToPath(new URL('outside', import.meta.url)),
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
})
