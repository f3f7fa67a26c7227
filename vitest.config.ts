import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// In a nested host (tests/lab) the processor itself is emulated.
const inLab = process.env['NODE_KVM_LAB'] !== undefined
const patience = inLab ? 10 : 1
// There the package is tested as it was built: compiling it for each test file again would take most of the time.
const entry = (part: string) =>
  fileURLToPath(new URL(inLab ? `dist/${part}index.js` : `lib/${part}index.ts`, import.meta.url))

const parts = [
  ...['arch/arm64', 'arch/x86', 'boot', 'devices', 'inspect', 'machine'],
  ...['pci', 'platform', 'snapshot', 'testing', 'uapi', 'virtio'],
]

/**
 * A guest is a program for one processor. Tests with guests of arm64 lie in folders of that name; the others have guests of x86, but for
 * these, which have none or both.
 */
const forAnyProcessor = [
  'tests/kvm/kvm.test.ts',
  ...['doctor', 'main'].map((name) => `tests/cli/${name}.test.ts`),
  'tests/examples/examples.test.ts',
  'tests/lab/inside/host.test.ts',
]
const withGuests = ['kvm', 'examples', 'cli', 'lab/inside', 'docs', 'bench']
const isX86 = process.arch === 'x64'
// Said once, though each project reads this file anew.
if (!isX86 && process.env['NODE_KVM_LEFT_OUT'] === undefined) {
  process.env['NODE_KVM_LEFT_OUT'] = 'x86'
  console.log(`Tests with guests of x86 are left out on ${process.arch}; vitest.config.ts has those that are not.`)
}

function testsOf(project: string): string[] {
  const folder = `tests/${project}/`
  if (isX86 || !withGuests.includes(project)) return [`${folder}**/*.test.ts`]
  return [`${folder}**/arm64/*.test.ts`, ...forAnyProcessor.filter((path) => path.startsWith(folder))]
}

const project = (name: string, options: { setupFiles?: string[]; testTimeout?: number } = {}) => ({
  extends: true as const,
  test: { name, include: testsOf(name), exclude: isX86 ? ['**/arm64/**'] : [], ...options },
})
const needsKvm = { setupFiles: ['tests/kvm/setup.ts'] }

export default defineConfig({
  resolve: {
    alias: [
      { find: /^node-kvm$/, replacement: entry('') },
      ...parts.map((part) => ({ find: new RegExp(`^node-kvm/${part}$`), replacement: entry(`${part}/`) })),
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
