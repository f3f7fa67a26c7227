// @ts-check
// Bundles lib/ into dist/: a file for each entry point, and in dist/chunks/ what several of them share. All are bundled at once,
// so that a class exists once in a process, whichever of them a program imports. What that is for: Node needs milliseconds for
// each module that it loads, and there are some 200 (docs/benchmarks.md). The types come from tsc, a file for each source.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

/** @typedef {{ exports: Record<string, string | { default: string }>, bin: Record<string, string>, dependencies: object }} Manifest */
const manifest = /** @type {unknown} */ (JSON.parse(readFileSync('package.json', 'utf8')))
const { exports, bin, dependencies } = /** @type {Manifest} */ (manifest)
const exported = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [] : [entry.default]))
/** The bin's name stays: in a checkout npx has linked it in a cache of its own, and never looks again. */
const entries = [...exported, ...Object.values(bin), 'dist/cli/trace.js']
const names = entries.map((path) => path.replace(/^(\.\/)?dist\/(.*)\.js$/, '$2'))

/**
 * An import of one of Node's own modules looks at all that it exports, and node:fs loads its streams for that. The call gives
 * what is named, and no more.
 * @type {import('rolldown').Plugin}
 */
const builtins = {
  name: 'builtins',
  renderChunk: (code) => ({
    code: code.replace(/^import (\* as (\w+)|\{[^}]*\}) from "(node:\w+)";$/gm, (_, names, all, id) =>
      declare(String(id), String(all ?? String(names).replace(/ as /g, ': '))),
    ),
    map: null, // every line stays where it is
  }),
}

/** Functions of node:os, which Node does not load for itself, are looked up when they are called. @param {string} id @param {string} pattern */
function declare(id, pattern) {
  const names = pattern.match(/\w+/g) ?? []
  const late = id === 'node:os' && names.every((name) => typeof Reflect.get(os, name) === 'function')
  return late
    ? names.map((name) => `const ${name} = () => process.getBuiltinModule("${id}").${name}();`).join(' ')
    : `const ${pattern} = process.getBuiltinModule("${id}");`
}

/** The path of a source from the root, as in `lib/kvm/vm.ts`. @param {string} id */
const inRoot = (id) => relative(process.cwd(), id)
/** The kernel's structs: a state can be looked at where there is no KVM. */
const STRUCTS = 'kvm\\/(struct|generated\\/(arm64|common|x86))'
const MAIN = new RegExp(`^lib\\/(index|(?!${STRUCTS})kvm\\/.+)[.][jt]s$`)
const GROUND = new RegExp(`^lib\\/((bus|host|memory)\\/.+|arch\\/x86\\/msr-names|${STRUCTS}|[^/]+)[.][jt]s$`)
/** @param {string} id */
const isGround = (id) => (GROUND.test(inRoot(id)) && !MAIN.test(inRoot(id))) || id.startsWith('\0@oxc-project')
const X86 = /^lib\/arch\/x86\//

/**
 * Whoever else imports from lib/kvm gets the main entry point, which exports what others need of it. So lib/kvm lies in
 * dist/index.js itself, and not in a module behind it.
 * @type {import('rolldown').Plugin}
 */
const main = {
  name: 'main',
  resolveId: (source, importer = '') =>
    source.startsWith('.') && MAIN.test(inRoot(join(importer, '..', source))) && !MAIN.test(inRoot(importer))
      ? { id: join(process.cwd(), 'lib/index.js'), external: 'relative' }
      : null,
}

const GENERATED = /^lib\/kvm\/generated\/.+[.]js$/
const COPY = '?whole'

/**
 * The library needs little of what is generated from the kernel's headers, and dist/index.js holds no more of it. So the entry points
 * that export all of it have copies of those modules.
 * @type {import('rolldown').Plugin}
 */
const uapi = {
  name: 'uapi',
  resolveId: (source, importer = '') => {
    const path = join(importer, '..', source)
    const whole = inRoot(importer).startsWith('lib/uapi/') || importer.endsWith(COPY)
    return source.startsWith('.') && whole && GENERATED.test(inRoot(path)) ? path.replace(/js$/, `ts${COPY}`) : null
  },
  load: (id) =>
    id.endsWith(COPY) ? { code: readFileSync(id.slice(0, -COPY.length), 'utf8'), moduleType: 'ts' } : null,
}

const { output } = await build({
  platform: 'node',
  tsconfig: true,
  transform: { target: 'node20.19' },
  input: Object.fromEntries(names.map((name) => [name, `lib/${name}.ts`])),
  external: Object.keys(dependencies),
  plugins: [uapi, main, builtins],
  output: {
    dir: 'dist',
    sourcemap: true,
    comments: { jsdoc: false },
    charset: 'ascii', // with one character beyond it, V8 keeps all the file in two bytes a character
    minifyInternalExports: false,
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name].js',
    codeSplitting: {
      groups: [
        // What needs no addon: the doctor has to work where it cannot be loaded, and devices are tested there. And what the
        // compiler puts in for `using`.
        { name: 'ground', test: isGround, entriesAware: false },
        // What a processor is, in one, too: the parts and the machine need most of it.
        { name: 'x86', test: (id) => X86.test(inRoot(id)) && !GROUND.test(inRoot(id)), entriesAware: false },
      ],
    },
  },
})

const modules = output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []))
const packages = new Set(modules.flatMap((id) => /node_modules\/([^/]+)\//.exec(id)?.[1] ?? []))
const notices = [...packages].map((name) => `── ${name}\n\n${readFileSync(`node_modules/${name}/LICENSE`, 'utf8')}`)
writeFileSync('dist/cli/LICENSES.txt', `The packages in the command:\n\n${notices.join('\n')}`)

// What an earlier build has left. At the end, so that a program that runs meanwhile still finds what it loads late.
const written = new Set(output.map(({ fileName }) => fileName))
for (const path of readdirSync('dist', { recursive: true, encoding: 'utf8' })) {
  if (/^(?!examples\/).+(\.js|\.js\.map|\/package\.json)$/.test(path) && !written.has(path)) rmSync(join('dist', path))
}
