// @ts-check
// Bundles lib/ into dist/: a file for each entry point, and in dist/chunks/ what several of them share. All entry points are
// bundled at once, so that a class exists once in a process, whichever of them a program imports. Loading some 200 modules one
// by one took longer than all that they do before a guest runs. The types come from tsc, a file for each source.
import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

/** @typedef {{ exports: Record<string, string | { default: string }>, bin: Record<string, string>, dependencies: object }} Manifest */
const manifest = /** @type {unknown} */ (JSON.parse(readFileSync('package.json', 'utf8')))
const { exports, bin, dependencies } = /** @type {Manifest} */ (manifest)
const exported = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [] : [entry.default]))
const entries = [...exported, ...Object.values(bin), 'dist/cli/trace.js']
const names = entries.map((path) => path.replace(/^(\.\/)?dist\/(.*)\.js$/, '$2'))

rmSync('dist/chunks', { recursive: true, force: true })
await build({
  input: Object.fromEntries(names.map((name) => [name, `lib/${name}.ts`])),
  platform: 'node',
  tsconfig: true,
  external: Object.keys(dependencies),
  transform: { target: 'node20.19' },
  output: {
    dir: 'dist',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name].js',
    minifyInternalExports: false,
    sourcemap: true,
  },
})
