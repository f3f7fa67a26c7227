import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const repository = join(import.meta.dirname, '..', '..')
let copy = ''
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'node-kvm-guests-'))
  cpSync(join(repository, 'scripts', 'build-guests.mjs'), join(copy, 'scripts', 'build-guests.mjs'))
  cpSync(join(repository, 'examples'), join(copy, 'examples'), { recursive: true })
})
afterAll(() => rmSync(copy, { recursive: true }))

function build(path = process.env['PATH']) {
  const script = join(copy, 'scripts', 'build-guests.mjs')
  return spawnSync(process.execPath, [script], { encoding: 'utf8', env: { PATH: path } })
}

test('guests are built once, and again when their source changes', { timeout: 60_000 }, () => {
  expect(build()).toMatchObject({
    status: 0,
    stderr: '',
    stdout: expect.stringContaining('built dist/examples/guests/hello.bin\n') as string,
  })
  expect(build()).toMatchObject({ status: 0, stderr: '', stdout: '' })

  const later = new Date(Date.now() + 60_000)
  utimesSync(join(copy, 'examples', 'guests', 'add.S'), later, later)
  expect(build()).toMatchObject({ status: 0, stderr: '', stdout: 'built dist/examples/guests/add.bin\n' })
})

test('a missing compiler is named', () => {
  const later = new Date(Date.now() + 120_000)
  utimesSync(join(copy, 'examples', 'guests', 'add.S'), later, later)
  expect(build('/nonexistent')).toMatchObject({
    status: 1,
    stderr: 'The guests are built with gcc, which is not on PATH. Debian: apt-get install gcc binutils\n',
  })
})
