import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// In a nested host (tests/lab) the processor itself is emulated.
const inLab = process.env['NODE_KVM_LAB'] !== undefined
const patience = inLab ? 10 : 1
// There the package is tested as it was built: compiling it for each test file again would take most of the time.
const entry = (part: string) =>
  fileURLToPath(new URL(inLab ? `dist/${part}index.js` : `lib/${part}index.ts`, import.meta.url))

const project = (name: string, options: { setupFiles?: string[]; testTimeout?: number } = {}) => ({
  extends: true as const,
  test: { name, include: [`tests/${name}/**/*.test.ts`], ...options },
})
const needsKvm = { setupFiles: ['tests/kvm/setup.ts'] }

export default defineConfig({
  resolve: {
    alias: [
      { find: /^node-kvm$/, replacement: entry('') },
      ...['arch/arm64', 'arch/x86', 'boot', 'devices', 'inspect', 'machine', 'uapi'].map((part) => ({
        find: new RegExp(`^node-kvm/${part}$`),
        replacement: entry(`${part}/`),
      })),
    ],
  },
  test: {
    // A vCPU stays on its thread, and the addon must survive a whole process: one process for each test file.
    pool: 'forks',
    server: { deps: { external: inLab ? [/\/dist\//] : [] } },
    testTimeout: 30_000 * patience,
    hookTimeout: 30_000 * patience,
    teardownTimeout: 30_000 * patience,
    // A build host is shared: a test that a pause of the host broke gets a second chance there, and only there.
    retry: process.env['CI'] === undefined ? 0 : 1,
    projects: [
      project('unit'),
      project('kvm', needsKvm),
      project('examples', needsKvm),
      project('docs', needsKvm),
      project('bench', needsKvm),
      project('cli', needsKvm),
      project('package', { testTimeout: 120_000 }),
      ...(inLab ? [project('lab/inside', needsKvm)] : []),
    ],
  },
})
