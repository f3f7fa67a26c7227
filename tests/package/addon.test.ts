// Each cause for which the addon is not loaded has a message that says what to do.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { Copy, PREBUILD, prebuilt } from './copy.js'

const project = new Copy()
afterAll(() => project[Symbol.dispose]())

const addon = join(project.package, PREBUILD)
const program = project.write(
  'program.mjs',
  `try {
     const { Kvm } = await import('node-kvm')
     Kvm.open().close()
     console.log(JSON.stringify({ code: 'none' }))
   } catch ({ code, message, operands }) {
     console.log(JSON.stringify({ code, message, reason: operands?.reason }))
   }`,
)

interface Answer {
  code: string
  message?: string
  reason?: string
}

function answer(flags: string[] = [], env: NodeJS.ProcessEnv = {}): Answer {
  const { stdout, stderr } = project.run([...flags, program], env)
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Answer
}

/** A flag that changes something in the process before the program begins. */
const before = (code: string) => `--import=data:text/javascript,${encodeURIComponent(code)}`

/** The addon, where it needs a symbol version that no glibc has. */
function forNewerGlibc(): Buffer {
  const file = prebuilt()
  file.write('GLIBC_9.28', file.indexOf('GLIBC_2.28'))
  return file
}

describe('the addon', () => {
  beforeEach(() => project.setAddon(prebuilt()))

  test('that the package brings along is loaded', () => {
    expect(answer()).toEqual({ code: 'none' })
  })

  test('is not for another system', () => {
    project.setAddon(undefined)
    expect(answer([before("Object.defineProperty(process, 'platform', { value: 'darwin' })")])).toEqual({
      code: 'ERR_KVM_ADDON',
      reason: 'platform',
      message: 'node-kvm does not run on darwin: KVM is a part of the Linux kernel',
    })
  })

  test('is not for another processor', () => {
    expect(answer([before("Object.defineProperty(process, 'arch', { value: 'riscv64' })")])).toEqual({
      code: 'ERR_KVM_ADDON',
      reason: 'architecture',
      message: 'node-kvm does not run on riscv64: it knows x64 and arm64',
    })
  })

  test("needs the permission model's leave", () => {
    const permission = process.allowedNodeEnvironmentFlags.has('--permission')
      ? '--permission'
      : '--experimental-permission'
    const refused = answer(['--no-warnings', permission, '--allow-fs-read=*'])
    expect(refused).toMatchObject({ code: 'ERR_KVM_ADDON', reason: 'addons-disabled' })
    expect(refused.message).toContain('start Node with --allow-addons')
    expect(answer(['--no-warnings', permission, '--allow-fs-read=*', '--allow-addons'])).toEqual({ code: 'none' })
  })

  test('is not loaded with --no-addons', () => {
    expect(answer(['--no-addons'])).toMatchObject({ code: 'ERR_KVM_ADDON', reason: 'addons-disabled' })
  })

  test('of NODE_KVM_ADDON goes before it', () => {
    expect(answer([], { NODE_KVM_ADDON: '/nowhere/node_kvm.node' })).toEqual({
      code: 'ERR_KVM_ADDON',
      reason: 'no-such-file',
      message: 'NODE_KVM_ADDON names /nowhere/node_kvm.node: there is no such file',
    })
  })

  test('does not lie in a file system without execution', () => {
    const copy = project.write('copy.node', prebuilt())
    const script = 'mount -t tmpfs -o noexec none "$0" && cp "$1" "$0/node-kvm.node" && exec "$2" "$3"'
    const args = ['--mount', 'sh', '-c', script, dirname(addon), copy, process.execPath, program]
    const { stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8' })
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toMatchObject({
      reason: 'noexec',
      message: `${addon} lies in a file system without execution (noexec): install node-kvm elsewhere`,
    })
  })
})

describe('instead of the addon', () => {
  test('there is none: the install script did not run', () => {
    project.setAddon(undefined)
    const { code, reason, message } = answer()
    expect({ code, reason }).toEqual({ code: 'ERR_KVM_ADDON', reason: 'not-installed' })
    expect(message).toContain(`${project.package} has no addon for linux-${process.arch}`)
    expect(message).toMatch(/npm install-scripts approve node-kvm, pnpm approve-builds or bun pm trust node-kvm/)
  })

  test('there is none in a checkout: it is not built', () => {
    project.setAddon(undefined)
    const sign = project.write('node_modules/node-kvm/tsconfig.json', '{}')
    const { reason, message } = answer()
    rmSync(sign)
    expect({ reason, message }).toEqual({
      reason: 'not-built',
      message: `node-kvm is not built in ${project.package}: npm run build`,
    })
  })

  test('one needs a newer glibc', () => {
    project.setAddon(forNewerGlibc())
    const { code, reason, message } = answer()
    expect({ code, reason, message }).toMatchObject({ code: 'ERR_KVM_ADDON', reason: 'old-libraries' })
    expect(message).toMatch(
      /needs GLIBC_9.28, and this system has glibc 2\.\d+: compile it here with npm rebuild node-kvm/,
    )
  })

  test('one for glibc is on a system without', () => {
    project.setAddon(forNewerGlibc())
    const { reason, message } = answer([before('process.report.getReport = () => ({ header: {} })')])
    expect(reason).toBe('musl')
    expect(message).toMatch(/is for glibc, and this system has another C library \(musl\): compile it here/)
  })

  test('one is for another architecture', () => {
    const file = prebuilt()
    const other = process.arch === 'x64' ? { machine: 0xb7, name: 'arm64' } : { machine: 0x3e, name: 'x64' }
    file.writeUInt16LE(other.machine, 18)
    project.setAddon(file)
    const { reason, message } = answer()
    expect(reason).toBe('other-architecture')
    expect(message).toMatch(`${addon} is for ${other.name}, and this Node is for ${process.arch}`)
  })

  test.each([
    ['is empty', new Uint8Array()],
    ['is for macOS', Uint8Array.of(0xcf, 0xfa, 0xed, 0xfe, 0x07, 0, 0, 1)],
  ])('one %s', (_, file) => {
    project.setAddon(file)
    expect(answer()).toMatchObject({
      reason: 'not-an-addon',
      message: `${addon} is not an addon for Linux: reinstall node-kvm here`,
    })
  })

  test('one is cut off', () => {
    project.setAddon(prebuilt().subarray(0, 64))
    const { reason, message } = answer()
    expect(reason).toBe('unknown')
    expect(message).toMatch(/could not be loaded \(.*(too short|cannot read).*\): compile it here/)
  })
})
