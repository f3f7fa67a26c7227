import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// In a nested host (tests/lab) the processor itself is emulated.
const patience = process.env['NODE_KVM_LAB'] === undefined ? 1 : 10

const project = (name: string, setupFiles: string[] = []) => ({
  extends: true as const,
  test: { name, include: [`tests/${name}/**/*.test.ts`], setupFiles },
})

export default defineConfig({
  resolve: { alias: [{ find: /^node-kvm$/, replacement: fileURLToPath(new URL('lib/index.ts', import.meta.url)) }] },
  test: {
    // A vCPU stays on its thread, and the addon must survive a whole process: one process for each test file.
    pool: 'forks',
    testTimeout: 10_000 * patience,
    hookTimeout: 10_000 * patience,
    teardownTimeout: 10_000 * patience,
    projects: [
      project('unit'),
      project('kvm', ['tests/kvm/setup.ts']),
      project('examples', ['tests/kvm/setup.ts']),
      project('docs', ['tests/kvm/setup.ts']),
      project('bench', ['tests/kvm/setup.ts']),
      project('cli', ['tests/kvm/setup.ts']),
      project('package'),
    ],
  },
})
