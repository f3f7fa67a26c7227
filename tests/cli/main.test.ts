import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { runCli } from './run-cli.js'

test.each(['--version', '-v'])('%s prints the version of package.json', (option) => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  expect(runCli(option)).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' })
})

describe('--help', () => {
  test.each([[[]], [['doctor']], [['example']]])('%j explains itself, with examples, and ends well', (command) => {
    const { status, stdout, stderr } = runCli(...command, '--help')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^Usage: node-kvm/)
    expect(stdout).toMatch(/^Examples:\n {2}node-kvm/m)
  })

  test.each([
    [['-h'], ['--help']],
    [['help'], ['--help']],
    [
      ['run', '-h'],
      ['run', '--help'],
    ],
    [
      ['help', 'run'],
      ['run', '--help'],
    ],
  ])('%j is the same as %j', (short, long) => {
    expect(runCli(...short)).toEqual(runCli(...long))
  })

  test('lists every command', () => {
    expect(runCli('--help').stdout).toMatch(/^Commands:\n {2}doctor.*\n {2}example/m)
  })
})

describe('a wrong command line ends with status 2 and says what is wrong', () => {
  test.each([
    [[], /^Usage: node-kvm/],
    [['docter'], /unknown command 'docter'.*\n.*Did you mean doctor/],
    [['--nonsense'], /unknown option '--nonsense'/],
    [['doctor', '--nonsense'], /unknown option '--nonsense'/],
    [['doctor', 'extra'], /too many arguments/],
    [['example', 'hello', 'add'], /too many arguments/],
  ])('%j', (args, message) => {
    const { status, stdout, stderr } = runCli(...args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(message)
  })
})

test('with --json what is wrong is one line of JSON', () => {
  const { status, stdout, stderr } = runCli('run', '--json', '--memroy', '1G')
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(JSON.parse(stderr)).toEqual({
    kind: 'error',
    code: 'ERR_USAGE',
    message: "unknown option '--memroy'\n(Did you mean --memory?)",
  })
  expect(stderr).toMatch(/^[^\n]+\n$/)
})
