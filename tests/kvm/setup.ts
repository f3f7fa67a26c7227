import { subscribe } from 'node:diagnostics_channel'
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { EXIT_CHANNEL, type ExitMessage, IOCTL_CHANNEL, type IoctlMessage, Kvm } from 'node-kvm'
import { afterAll, expect } from 'vitest'

// Without a usable /dev/kvm every test file fails here, with the message that says what to do; none is skipped.
Kvm.open().close()

// For `npm run coverage`: which calls each test file has made, whether the kernel granted them, and which exits came.
const folder = process.env['NODE_KVM_CALLS']
if (folder !== undefined) {
  const ioctls: Record<string, boolean> = {}
  const exits = new Set<string>()
  subscribe(IOCTL_CHANNEL, (message) => {
    const { ioctl, result } = message as IoctlMessage
    ioctls[ioctl] = (ioctls[ioctl] ?? false) || result >= 0
  })
  subscribe(EXIT_CHANNEL, (message) => {
    exits.add((message as ExitMessage).exit.reason)
  })
  afterAll(() => {
    const name = basename(expect.getState().testPath ?? 'unknown', '.test.ts')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `${name}.calls.json`), JSON.stringify({ ioctls, exits: [...exits] }))
  })
}
