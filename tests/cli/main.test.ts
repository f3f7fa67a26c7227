import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { runCli } from './run-cli.js'

test('--version prints the version of package.json', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  expect(runCli('--version')).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' })
})

describe('--help', () => {
  test.each([[[]], [['doctor']], [['example']]])('%j explains itself, with examples, and ends well', (command) => {
    const { status, stdout, stderr } = runCli(...command, '--help')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^Usage: node-kvm/)
    expect(stdout).toMatch(/^Examples:\n {2}node-kvm/m)
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
