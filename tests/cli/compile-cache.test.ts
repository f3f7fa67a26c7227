import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-test-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const run = (temporary: string) =>
  spawnSync(process.execPath, [command, '--help'], { encoding: 'utf8', env: { ...process.env, TMPDIR: temporary } })

test('what is compiled of the command is kept for the next start, where Node can do that', () => {
  expect(run(folder).status).toBe(0)
  expect(existsSync(join(folder, 'node-compile-cache'))).toBe('enableCompileCache' in nodeModule)
})

test('where it cannot be kept, the command does the same', () => {
  const file = join(folder, 'file')
  writeFileSync(file, '')
  const { status, stdout, stderr } = run(file)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toBe(run(folder).stdout)
})
