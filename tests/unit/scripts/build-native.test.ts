import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

// A checkout that has nothing built, and a PATH without compilers and Python.
const root = fileURLToPath(new URL('../../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'node-kvm-build-'))
beforeAll(() => {
  for (const path of ['package.json', 'tsconfig.json', 'binding.gyp', 'native', 'scripts'])
    cpSync(join(root, path), join(folder, path), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  symlinkSync(process.execPath, join(folder, 'node'))
  symlinkSync('/usr/bin/env', join(folder, 'env'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const build = (...args: string[]) =>
  spawnSync(process.execPath, ['scripts/build-native.mjs', ...args], {
    cwd: folder,
    encoding: 'utf8',
    // What `npm run -s` sets.
    env: { PATH: `${folder}:${join(root, 'node_modules/.bin')}`, npm_config_loglevel: 'silent' },
  })

test('an error of node-gyp is seen, also under `npm run -s`', () => {
  const { status, stderr } = build()
  expect(status).toBe(1)
  expect(stderr).toContain('Could not find any Python installation to use')
})

test('the install script does nothing in a checkout, where there may be no compiler yet', () => {
  const { status, stdout, stderr } = build('--unless-prebuilt')
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' })
})
