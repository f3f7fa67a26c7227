import { describe, expect, test } from 'vitest'
import { probeHost } from 'node-kvm'
import { runCli } from './run-cli.js'

describe('on this host', () => {
  test('doctor shows every check as passed or not, the limits, and a verdict', () => {
    const { status, stdout, stderr } = runCli('doctor')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    for (const { name, ok } of probeHost().checks)
      expect(stdout).toMatch(new RegExp(`^${ok ? '✓' : '[✗–]'} ${name} `, 'm'))
    expect(stdout).toMatch(/^Limits\n {2}vCPUs of a VM, recommended {2}\d+$/m)
    expect(stdout).toMatch(/^Guests can run here\.$/m)
  })

  test('--json prints the report and nothing else', () => {
    const { status, stdout } = runCli('doctor', '--json')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(probeHost())))
  })
})

describe('without a usable device', () => {
  test.each([
    ['/dev/no-such-device', /^✗ \/dev\/no-such-device .*\n +→ .+$/m],
    ['/dev/null', /^✗ \/dev\/null /m],
  ])('%s: doctor names the failure and ends with status 1', (device, failure) => {
    const { status, stdout } = runCli('doctor', '--device', device)
    expect(status).toBe(1)
    expect(stdout).toMatch(failure)
    expect(stdout).toMatch(/^Guests cannot run here\.$/m)
  })

  test('--json says so too', () => {
    const { status, stdout } = runCli('doctor', '--json', '--device', '/dev/no-such-device')
    expect(status).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ usable: false })
  })
})
