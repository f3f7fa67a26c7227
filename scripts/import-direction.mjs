// @ts-check
// The direction of imports, as docs/architecture.md draws it, for dependency-cruiser:
//   leaves <- memory <- bus <- {kvm, devices, pci, virtio, boot, inspect, platform} <- snapshot <- machine <- {testing, index} <- {cli, examples, tests}
const leaves = '^lib/((?!index)[^/]+[.]ts$|host/|arch/|image/|disk/)'
const memory = '^lib/memory/'
const bus = '^lib/bus/'
const ground = [leaves, memory, bus]
const parts = ['kvm', 'devices', 'pci', 'virtio', 'boot', 'inspect', 'platform']
/** Sideways, which is refused otherwise: a part, and which others it may import. @type {Record<string, string[]>} */
const sideways = { virtio: ['pci'] }
/** What the architecture's half of the machine may know of the other one. */
const machineForX86 = ['architecture', 'host']

/** @param {string} name */
const folder = (name) => `^lib/${name}/`

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
    layer('memory-stands-on-leaves', memory, [leaves, memory]),
    layer('bus-stands-on-memory', bus, ground),
    ...parts.map((part) =>
      layer(`${part}-imports-nothing-beside-it`, folder(part), [
        ...ground,
        ...[part, ...(sideways[part] ?? [])].map(folder),
      ]),
    ),
    layer('snapshot-stands-on-the-parts', folder('snapshot'), [...ground, ...[...parts, 'snapshot'].map(folder)]),
    {
      name: 'snapshot-loads-no-kvm',
      comment:
        'It is handed the objects of which it keeps the state. It may know their types, and what the structs consist of.',
      severity: 'error',
      from: { path: folder('snapshot') },
      to: {
        path: folder('kvm'),
        pathNot: '^lib/kvm/(generated/|struct[.]ts$)',
        dependencyTypesNot: ['type-only'],
      },
    },
    layer('machine-composes', folder('machine'), [...ground, ...[...parts, 'snapshot', 'machine'].map(folder)]),
    {
      name: 'x86-is-under-the-machine',
      comment: 'lib/machine imports lib/machine/x86, and not the other way round.',
      severity: 'error',
      from: { path: '^lib/machine/x86/' },
      to: { path: '^lib/machine/[^/]+$', pathNot: machineForX86.map((name) => `^lib/machine/${name}[.]ts$`) },
    },
    layer('testing-uses-the-public-api', folder('testing'), [
      '^lib/(errors|format|validate)[.]ts$',
      '^lib/(inspect|machine)/index[.]ts$',
      folder('testing'),
    ]),
    layer('index-exports-no-command', '^lib/index[.]ts$', ['^lib/(?!cli/|testing/)']),
    layer('uapi-exports-what-was-generated', folder('uapi'), [
      '^lib/kvm/generated/',
      '^lib/kvm/struct[.]ts$',
      folder('uapi'),
    ]),
    // And lib/host, which works where the rest does not, and what a misspelled name was to be.
    layer('cli-uses-the-public-api', '^lib/cli/', [
      '^lib/host/',
      '^lib/nearest[.]ts$',
      '^lib/index[.]ts$',
      '^lib/(arch/(arm64|x86)|boot|devices|inspect|machine|pci|platform|virtio)/index[.]ts$',
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
