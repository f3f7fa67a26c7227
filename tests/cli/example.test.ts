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

test('an example that needs arguments gets them, and ends with its own status', () => {
  const { status, stdout, stderr } = runCli('example', 'linux-shell')
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(stderr).toContain('usage: node-kvm example linux-shell KERNEL INITRD\n')
  const missing = runCli('example', 'linux-shell', '/nonexistent/vmlinuz', '/nonexistent/initrd')
  expect({ status: missing.status, stdout: missing.stdout }).toEqual({ status: 1, stdout: '' })
  expect(missing.stderr).toContain('/nonexistent/vmlinuz: file: there is no such file')
})

// With a sanitizer, on a busy host, all of them together take longer than a test may otherwise.
test('--all runs all that need nothing, and names the others with what they need', { timeout: 180_000 }, () => {
  const { status, stdout, stderr } = runCli('example', '--all')
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toMatch(/▶ hello: [^]*Hello from real mode!/)
  expect(stdout).not.toContain('▶ linux-shell')
  expect(stdout).toMatch(/^(\d+) of \1 guests did what they should\.$/m)
  expect(stdout).toMatch(/^Not run, .*:\n {2}node-kvm example linux-shell KERNEL INITRD: \S/m)
})

test('an example whose guest is for another processor says so', () => {
  const [name, other] = process.arch === 'x64' ? ['arm64-hello', 'arm64'] : ['hello', 'x64']
  expect(runCli('example').stdout).toMatch(new RegExp(`^${name} .*\\(for ${other}\\)$`, 'm'))
  expect(runCli('example', name)).toMatchObject({
    status: 2,
    stdout: '',
    stderr: expect.stringContaining(`the guest of ${name} is for ${other}, and this host is ${process.arch}`) as string,
  })
})

test('--all goes without a name', () => {
  expect(runCli('example', '--all', 'hello')).toMatchObject({
    status: 2,
    stdout: '',
    stderr: expect.stringContaining("--all runs all of them: it goes without 'hello'") as string,
  })
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
