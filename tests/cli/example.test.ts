import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { runCli } from './run-cli.js'

const names = readdirSync('examples')
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replace('.ts', ''))

test('example lists every example with one line each', () => {
  const { status, stdout, stderr } = runCli('example')
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const lines = stdout.trimEnd().split('\n')
  expect(lines.map((line) => line.split(' ', 1)[0]).sort()).toEqual(names.sort())
  for (const line of lines) expect(line).toMatch(/^\S+ {2,}\S.+$/)
})

test('example NAME runs it', () => {
  expect(runCli('example', 'hello')).toEqual({ status: 0, stdout: 'Hello from real mode!\n', stderr: '' })
})

test('--trace prints every exit to standard error, and leaves standard output alone', () => {
  const { status, stdout, stderr } = runCli('example', 'hello', '--trace')
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'Hello from real mode!\n' })
  const lines = stderr.trimEnd().split('\n')
  expect(lines.at(0)).toMatch(/^vcpu 0: io out port 0xe9 .*48$/)
  expect(lines.at(-1)).toBe('vcpu 0: hlt')
})

test.each([
  ['hallo', 'Did you mean hello?'],
  ['long-mod', 'Did you mean long-mode?'],
  ['../cli/main', 'There are: '],
  ['', 'There are: '],
])("example '%s', which does not exist, is a usage error with a way out", (name, wayOut) => {
  const { status, stdout, stderr } = runCli('example', name)
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(stderr).toContain(`there is no example '${name}'. ${wayOut}`)
})
