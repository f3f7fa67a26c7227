// @ts-check
// The direction of imports, as docs/architecture.md draws it, for dependency-cruiser:
//   leaves <- {memory, bus} <- {devices, virtio, pci, boot, inspect, platform, snapshot} <- machine <- index <- {cli, examples, tests}
//   leaves, memory <- kvm <- {machine, index}
const leaves = '^lib/((?!index)[^/]+[.]ts$|host/)'
const ground = ['^lib/memory/', '^lib/bus/']
const parts = ['devices', 'virtio', 'pci', 'boot', 'inspect', 'platform', 'snapshot'].map((name) => `^lib/${name}/`)

/**
 * What may be imported from lib by the files of a layer; everything else in lib is refused.
 * @param {string} name @param {string | string[]} from @param {string[]} to
 */
const layer = (name, from, to) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { path: '^lib/', pathNot: to },
})

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    layer('leaves-import-only-leaves', leaves, [leaves]),
    layer('memory-and-bus-are-the-ground', ground, [leaves, ...ground]),
    layer('kvm-stands-beside-memory', '^lib/kvm/', [leaves, '^lib/memory/', '^lib/kvm/']),
    layer('parts-know-no-kvm', parts, [leaves, ...ground, ...parts]),
    layer('machine-composes', '^lib/machine/', [leaves, ...ground, ...parts, '^lib/kvm/', '^lib/machine/']),
    layer('index-exports-no-command', '^lib/index[.]ts$', ['^lib/(?!cli/)']),
    // And lib/host, which works where the rest does not.
    layer('cli-uses-the-public-api', '^lib/cli/', [
      '^lib/host/',
      '^lib/index[.]ts$',
      '^lib/(boot|devices|inspect|machine)/index[.]ts$',
      '^lib/cli/',
    ]),
    layer('examples-import-the-package', '^examples/', []),
    {
      name: 'one-loader-of-native-code',
      comment: 'Only lib/kvm/binding.ts loads the addon.',
      severity: 'error',
      from: { path: '^(lib|examples)/', pathNot: '^lib/kvm/binding[.]ts$' },
      to: { path: ['^(node:)?module$', '[.]node$'] },
    },
    {
      name: 'binding-stays-in-kvm',
      severity: 'error',
      from: { pathNot: '^lib/kvm/' },
      to: { path: '^lib/kvm/binding[.]ts$' },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^dist/'] },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
