import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Kvm, probeHost } from 'node-kvm'
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

  test('doctor says what guests cannot do on its kind of KVM, and where they can', () => {
    const { kind, cannot } = probeHost()
    expect(cannot.length > 0).toBe(kind === 'pvm')
    const { stdout } = runCli('doctor')
    for (const sentence of cannot) expect(stdout).toContain(`\n  - ${sentence}\n`)
    expect(stdout.includes('npm run lab -- COMMAND')).toBe(kind === 'pvm')
  })

  test('--json prints the report and nothing else', () => {
    const { status, stdout } = runCli('doctor', '--json')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(probeHost())))
  })

  test('--capabilities says what each is, what this host answers, and which bits are set', async () => {
    using kvm = Kvm.open()
    const here = process.arch === 'arm64' ? 'arm64' : 'x86'
    const { status, stdout } = runCli('doctor', '--capabilities')
    expect(status).toBe(0)
    for (const { name, architectures, value, about, set = [] } of await kvm.capabilities()) {
      if (architectures !== undefined && !architectures.includes(here)) {
        expect(stdout).not.toContain(` ${name} `)
        continue
      }
      const line = stdout.split('\n').find((each) => each.startsWith(`  ${name} `)) ?? ''
      expect(line).toContain(about)
      expect([name, / – /.test(line)]).toEqual([name, value === 0])
      for (const bit of set) expect(stdout).toContain(`- ${bit}\n`)
    }
    const json: unknown = JSON.parse(runCli('doctor', '--capabilities', '--json').stdout)
    expect(json).toMatchObject({ usable: true, capabilityReport: await kvm.capabilities() })
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

describe('without the addon', () => {
  const main = join(process.cwd(), 'dist/cli/main.js')

  test('doctor says so, beside all that it can say without', () => {
    const env = { ...process.env, NODE_KVM_ADDON: '/no/such/addon.node' }
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'doctor'], { encoding: 'utf8', env })
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
    expect(stdout).toMatch(/^✓ \/dev\/kvm +opens$/m)
    expect(stdout).toMatch(/^✗ addon +cannot be loaded\n +→ .+$/m)
    expect(stdout).toMatch(/^Guests cannot run here\.$/m)
  })

  test("doctor names node's permission model as the reason", () => {
    const model = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'
    const args = ['--no-warnings', model, '--allow-fs-read=*', main, 'doctor']
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
    expect(stdout).toMatch(/^✗ permission model +keeps addons out\n +→ add --allow-addons/m)
  })

  test('npm run doctor needs neither a build nor a package', () => {
    const checkout = mkdtempSync(join(tmpdir(), 'node-kvm-doctor-'))
    onTestFinished(() => rmSync(checkout, { recursive: true }))
    for (const path of ['package.json', 'scripts/doctor.mjs', 'lib/host'])
      cpSync(path, join(checkout, path), { recursive: true })
    const { status, stdout, stderr } = spawnSync('npm', ['run', '-s', 'doctor'], { cwd: checkout, encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^✓ \/dev\/kvm +opens$/m)
    expect(stdout).toMatch(/^– addon +not built yet\n +→ npm start builds it$/m)
    expect(stdout).toMatch(/^Guests can run here, as far as can be told before the addon is built\./m)
  })
})
