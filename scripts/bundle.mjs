// @ts-check
// Bundles lib/ into dist/: a file for each entry point, and in dist/chunks/ what several of them share. All are bundled at once,
// so that a class exists once in a process, whichever of them a program imports. What that is for: Node needs milliseconds for
// each module that it loads, and there are some 200 (docs/benchmarks.md). The types come from tsc, a file for each source.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
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
    code: code.replace(/^import (\* as (\w+)|\{[^}]*\}) from "(node:\w+)";$/gm, (_, names, all, id) => {
      const pattern = String(all ?? String(names).replace(/ as /g, ': '))
      return `const ${pattern} = process.getBuiltinModule("${String(id)}");`
    }),
    map: null, // every line stays where it is
  }),
}

const { output } = await build({
  platform: 'node',
  tsconfig: true,
  transform: { target: 'node20.19' },
  input: Object.fromEntries(names.map((name) => [name, `lib/${name}.ts`])),
  external: Object.keys(dependencies),
  plugins: [builtins],
  output: {
    dir: 'dist',
    sourcemap: true,
    minifyInternalExports: false,
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name].js',
    codeSplitting: {
      groups: [
        // What the doctor says where the addon cannot be loaded, and so the rest cannot.
        { name: 'host', test: /\/lib\/host\//, priority: 2 },
        // All else that the main entry point needs, in one.
        { name: 'core', test: /\/lib\/((bus|kvm|memory)\/)?[^/]+\.ts$/, entriesAware: false, priority: 1 },
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
