import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Installed, root } from './installed.js'

let user: Installed
beforeAll(() => {
  user = new Installed()
}, 120_000)
afterAll(() => rmSync(user.folder, { recursive: true }))

/** The files under a folder of the checkout, relative to it. */
const filesIn = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter((path) =>
    statSync(join(root, folder, path)).isFile(),
  )

/** What the compiler makes of the files of a folder. */
const compiled = (folder: string, output: string, endings: string[]) =>
  filesIn(folder)
    .filter((path) => /\.[jt]s$/.test(path) && !path.endsWith('.d.ts'))
    .flatMap((path) => endings.map((ending) => join(output, path.replace(/\.[jt]s$/, ending))))

/** What scripts/bundle.mjs makes of lib/. */
const isBundled = (path: string) => /^dist\/(?!examples\/).+\.js(\.map)?$/.test(path)
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { default: string }>
}
const entries = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [] : [join(entry.default)]))
const commands = ['main.js', 'trace.js'].map((name) => `dist/cli/${name}`)

describe('the tarball', () => {
  test('holds what the package needs and nothing else', () => {
    const guests = filesIn('examples/guests').filter((path) => /^[^/]+\.[cS]$/.test(path))
    const expected = [
      ...['LICENSE', 'README.md', 'package.json', 'binding.gyp'],
      ...['scripts/build-native.mjs', 'scripts/node-headers.mjs', 'scripts/system-packages.mjs'],
      ...filesIn('native').map((path) => join('native', path)),
      ...compiled('lib', 'dist', ['.d.ts']),
      ...compiled('examples', 'dist/examples', ['.js', '.js.map', '.d.ts']),
      ...guests.map((path) => `dist/examples/guests/${basename(path, extname(path))}.bin`),
      'dist/examples/manifest.json',
      'dist/cli/LICENSES.txt',
      ...filesIn('docs').map((path) => join('docs', path)),
      ...filesIn('examples')
        .filter((path) => path !== 'tsconfig.json')
        .map((path) => join('examples', path)),
      'prebuilds/linux-x64/node-kvm.node',
    ]
    // What is for arm64 is there once there has been a compiler for it: `npm run release` sees to that.
    const isForArm64 = (path: string) =>
      path === 'prebuilds/linux-arm64/node-kvm.node' || /^dist\/examples\/guests\/arm64-/.test(path)
    const packed = user.packed.filter((path) => !isForArm64(path) && !isBundled(path))
    expect(packed.sort()).toEqual([...new Set(expected)].filter((path) => !isForArm64(path)).sort())
  })

  test('holds the library in a file for each entry point and few others', () => {
    const programs = user.packed.filter((path) => isBundled(path) && !path.endsWith('.map'))
    const chunks = programs.filter((path) => path.startsWith('dist/chunks/'))
    expect(programs.sort()).toEqual([...chunks, ...entries, ...commands].sort())
    expect(chunks.length).toBeLessThan(40)
  })

  // npx links the command in a cache, by the checkout's path, and never looks again: another name is not found there.
  test('has the command where it has always been', () => {
    const { bin } = JSON.parse(readFileSync(user.path('package.json'), 'utf8')) as { bin: object }
    expect(bin).toEqual({ 'node-kvm': 'dist/cli/main.js' })
  })

  test('has source maps that carry their sources', () => {
    for (const path of user.packed.filter((path) => path.endsWith('.map'))) {
      const map = JSON.parse(readFileSync(user.path(path), 'utf8')) as { sources: string[]; sourcesContent?: string[] }
      expect(map.sourcesContent, path).toHaveLength(map.sources.length)
    }
  })
})

describe('installed without a compiler', () => {
  test('there is none on PATH', () => {
    for (const tool of ['g++', 'cc', 'make', 'python3']) {
      expect(user.run('sh', '-c', `command -v ${tool}`).status, tool).not.toBe(0)
    }
  })

  test('the addon is the prebuilt one', () => {
    expect(readdirSync(user.path('')).sort()).not.toContain('build')
  })

  test('npx node-kvm --version', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    expect(user.run('npx', 'node-kvm', '--version')).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' })
  })

  test('npx node-kvm example hello', () => {
    const { status, stdout, stderr } = user.run('npx', 'node-kvm', 'example', 'hello')
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'Hello from real mode!\n', stderr: '' })
  })

  test('an ES module imports it', () => {
    expect(user.run('node', 'import.mjs')).toMatchObject({ status: 0, stdout: 'import: API version 12\n' })
  })

  test('a class is the same, whichever entry point it comes from', () => {
    expect(user.run('node', 'entry-points.mjs')).toMatchObject({
      status: 0,
      stderr: '',
      stdout:
        'arch/arm64: KvmError\narch/x86: KvmError\nboot: KvmError\ndevices: KvmError\ninspect: KvmError\nmachine: KvmError\nsnapshot: KvmError\ntesting: KvmError\nuapi: KvmError\nuapi/arm64: KvmError\nuapi/x86: KvmError\nplatform: KvmError\n',
    })
  })

  test('a CommonJS module requires it', () => {
    expect(user.run('node', 'require.cjs')).toMatchObject({ status: 0, stdout: 'require: API version 12\n' })
  })

  test("a program's types are checked, without Node's own types", () => {
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const options = ['--strict', '--module', 'nodenext', '--target', 'es2023', '--lib', 'es2023,esnext.disposable,dom']
    const program = ['--skipLibCheck', 'false', '--noEmit', 'program.ts']
    const { status, stdout } = spawnSync(process.execPath, [tsc, ...options, ...program], {
      cwd: user.folder,
      encoding: 'utf8',
    })
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
  })

  test('without a prebuilt addon the install fails and says what to do', () => {
    rmSync(user.path('prebuilds'), { recursive: true })
    const { status, stderr } = user.run('npm', 'rebuild', '--foreground-scripts', 'node-kvm')
    expect(status).not.toBe(0)
    expect(stderr).toContain(`there is no prebuilt addon for linux-${process.arch}`)
    expect(stderr).toContain('g++ make python3')
  })
})
