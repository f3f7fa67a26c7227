// Where `npm start` and `npm test` run guests when this host's /dev/kvm is not to be had. Hiding it takes root.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { checkout } from './lab.js'

const ASK = "import('./scripts/get-ready.mjs').then(async (ready) => console.log(await ready.whereGuestsRun()))"

/** In a mount namespace in which /dev/kvm is something else, or hidden with all of /dev but what a program needs. */
function ask(hide: string) {
  const { status, stdout } = spawnSync(
    'unshare',
    ['-m', 'sh', '-c', `${hide} && exec "$0" -e "$1"`, process.execPath, ASK],
    {
      cwd: checkout,
      encoding: 'utf8',
    },
  )
  return { status, stdout }
}

test.runIf(existsSync('/dev/kvm')).each([
  [
    'no KVM device',
    'mount --bind /dev/null /dev/kvm',
    /^✗ \/dev\/kvm {2}cannot use \/dev\/kvm \(ENOTTY\)\n +→ that is not a KVM device$/m,
  ],
  [
    'not there, though the kernel has it',
    'mount -t tmpfs dev /dev',
    /^✗ \/dev\/kvm {2}cannot use \/dev\/kvm \(ENOENT\)\n +→ the kernel has KVM, but .+$/m,
  ],
])('where /dev/kvm is %s, guests run in the lab, and the reason is said', (_name, hide, reason) => {
  const { status, stdout } = ask(hide)
  expect(status).toBe(0)
  expect(stdout).toMatch(/^── This host's KVM cannot be used, so guests run in the lab/m)
  expect(stdout).toMatch(reason)
  expect(stdout).toMatch(/\nlab\n$/)
})
