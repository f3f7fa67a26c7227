import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { checkout, lab, outputFolder } from './lab.js'

test('a command gets its arguments, folder, environment and input, and its output and status come back', async () => {
  const args = ['a b', `c'd"e`, '$HOME', '', 'new\nline', '*', '--', '--option', 'ü€😀', '\\']
  const program = `
    const input = require('fs').readFileSync(0, 'utf8')
    console.error('for standard error')
    console.log(JSON.stringify({ args: process.argv.slice(1), folder: process.cwd(), host: process.env.NODE_KVM_LAB, input }))
    process.exit(42)`
  const { status, stdout, stderr } = await lab(['--', 'node', '-e', program, '--', ...args], 'for standard input\n')
  expect(JSON.parse(stdout.toString())).toEqual({ args, folder: checkout, host: 'amd', input: 'for standard input\n' })
  expect(stderr).toBe('for standard error\n')
  expect(status).toBe(42)
})

test('output arrives whole, byte by byte, and what the command leaves running does not hold the lab up', async () => {
  const program = 'sleep 1000 & exec head -c 5000000 scripts/../node_modules/typescript/lib/typescript.js'
  const { status, stdout } = await lab(['sh', '-c', program])
  expect(status).toBe(0)
  const expected = readFileSync(`${checkout}/node_modules/typescript/lib/typescript.js`).subarray(0, 5_000_000)
  expect(stdout.equals(expected)).toBe(true)
})

test('a command that ends by a signal gives 128 + its number', async () => {
  const { status, stderr } = await lab(['sh', '-c', 'kill -TERM $$'])
  expect({ status, stderr }).toEqual({ status: 143, stderr: '' })
})

test('a command that does not exist gives 127', async () => {
  const { status, stderr } = await lab(['no-such-command'])
  expect(status).toBe(127)
  expect(stderr).toContain('no-such-command')
})

test('a command can have a terminal', async () => {
  const { status, stdout } = await lab(['--shell', 'sh', '-c', 'tty; stty size; exit 3'])
  expect(status).toBe(3)
  expect(stdout.toString()).toBe('/dev/hvc0\r\n24 80\r\n')
})

test('a shared folder is seen at the path that was asked for', async () => {
  const { stdout } = await lab([
    '--share',
    `${checkout}/tests/lab:/elsewhere`,
    '--output',
    outputFolder(),
    'ls',
    '/elsewhere',
  ])
  expect(stdout.toString().split('\n')).toContain('outside')
})
