// What a user with an arm64 machine gets: the packed package brings along an addon that loads where no compiler is. It is packed and
// unpacked here, since npm takes minutes on an emulated processor.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Installed, root } from '../../../package/installed.js'
import { lab } from '../lab.js'

let user: Installed
beforeAll(() => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/prebuild.mjs', 'arm64'], {
    cwd: root,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  user = new Installed('--ignore-scripts')
}, 600_000)
afterAll(() => rmSync(user.folder, { recursive: true }))

/** Runs lines of a shell in the user's folder, without the addon that the lab itself names. */
const inLab = async (script: string) => {
  const command = `unset NODE_KVM_ADDON; cd ${user.folder}; ${script}`
  const { status, stdout, stderr } = await lab(['--host', 'arm64', 'sh', '-ec', command])
  return { status, stdout: stdout.toString(), stderr }
}

test('its install script finds the addon, and guests run by it', { timeout: 600_000 }, async () => {
  expect(user.packed).toContain('prebuilds/linux-arm64/node-kvm.node')
  const script = `
    (cd node_modules/node-kvm; node scripts/build-native.mjs --unless-prebuilt; ! test -e build)
    node import.mjs
    node arm64-guest.mjs
    node node_modules/node-kvm/dist/cli/main.js example arm64-hello`
  const stdout = 'import: API version 12\nhello\nHello from EL1!\n'
  expect(await inLab(script)).toEqual({ status: 0, stdout, stderr: '' })
})
