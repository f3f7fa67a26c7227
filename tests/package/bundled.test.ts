// A program that a bundler has put into one file finds the addon where Node would find the package.
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, type BuildOptions } from 'rolldown'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Copy, PREBUILD, prebuilt } from './copy.js'

const project = new Copy()
project.setAddon(prebuilt())
const elsewhere = mkdtempSync(join(tmpdir(), 'node-kvm-bundle-'))
afterAll(() => {
  project[Symbol.dispose]()
  rmSync(elsewhere, { recursive: true })
})

const input = project.write(
  'program.mjs',
  "import { Kvm } from 'node-kvm'\nconsole.log(`API version ${Kvm.open().apiVersion}`)\n",
)

/** esbuild leaves nothing of import.meta in CommonJS. */
const empty = { define: { 'import.meta': '{}' } }
const BUNDLES: Record<string, Pick<BuildOptions, 'output' | 'transform'>> = {
  'an ES module': { output: { format: 'esm' } },
  CommonJS: { output: { format: 'cjs' } },
  'CommonJS without import.meta': { output: { format: 'cjs' }, transform: empty },
}

describe.each(Object.entries(BUNDLES))('%s', (name, { output, ...options }) => {
  const ending = name === 'an ES module' ? 'mjs' : 'cjs'
  const file = join(project.folder, 'out', name, `program.${ending}`)
  const moved = join(elsewhere, `${name}.${ending}`)
  beforeAll(async () => {
    await build({ ...options, input, platform: 'node', output: { ...output, file, codeSplitting: false } })
    cpSync(file, moved)
  })

  test('in a folder of the project', () => {
    expect(project.run([file])).toEqual(expect.objectContaining({ status: 0, stdout: 'API version 12\n', stderr: '' }))
  })

  test('elsewhere, with the addon by name', () => {
    const NODE_KVM_ADDON = join(project.package, PREBUILD)
    expect(project.run([moved], { NODE_KVM_ADDON })).toMatchObject({
      status: 0,
      stdout: 'API version 12\n',
      stderr: '',
    })
  })

  test('elsewhere, without the addon: it says so', () => {
    const { status, stderr } = project.run([moved])
    expect(status).toBe(1)
    expect(stderr).toContain(`KvmError: ${moved} is a bundle, which cannot hold an addon`)
    expect(stderr).toContain('install node-kvm there, or put a copy of its addon')
  })
})
