import { expect, test } from 'vitest'
import { lab } from './lab.js'

test.each([
  { args: [], message: 'COMMAND is missing' },
  { args: ['--no-such-option', 'true'], message: '--no-such-option' },
  { args: ['--host', 'sparc', 'true'], message: 'Allowed choices are amd' },
  { args: ['--memory', '12', 'true'], message: 'at least 512M' },
  { args: ['--cpus', '1.5', 'true'], message: 'whole number' },
  { args: ['--timeout', '0', 'true'], message: 'greater than 0' },
  { args: ['--cpu', 'cortex-a57', 'true'], message: 'the amd host has no choice of --cpu' },
  { args: ['--host', 'arm64', '--gic', '4', 'true'], message: "--gic 4 is none of the arm64 host's: 3, 2" },
  { args: ['--share', '/no/such/folder', 'true'], message: '/no/such/folder is no folder' },
])('a wrong usage ($args) gives 2 and says what is wrong', async ({ args, message }) => {
  const { status, stdout, stderr } = await lab(args)
  expect(status).toBe(2)
  expect(stdout.toString()).toBe('')
  expect(stderr).toContain(message)
})
