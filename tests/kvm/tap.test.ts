import { spawnSync } from 'node:child_process'
import { openTap } from 'node-kvm/machine'
import { expect, test } from 'vitest'
import { expectRefusal } from '../thrown.js'
import { PATIENCE } from './amounts.js'
import { scriptPath } from './run-script.js'

/** Where nothing of the host's network is. */
const NAMESPACE = ['unshare', '--user', '--map-root-user', '--net'] as const
const canNot =
  spawnSync(NAMESPACE[0], [...NAMESPACE.slice(1), 'ip', 'tuntap', 'add', 'dev', 'tap0', 'mode', 'tap']).status !== 0

test.skipIf(canNot).each([1, 2])(
  'the host answers through a tap of %i queues, waits for room, and can remove it',
  (queues) => {
    const command = [...NAMESPACE, process.execPath, scriptPath('tap'), String(queues)]
    const { status, stdout, stderr } = spawnSync(command[0] as string, command.slice(1), {
      encoding: 'utf8',
      timeout: PATIENCE,
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({ answered: 11, event: { up: false, code: 'ERR_KVM_NETWORK' } })
  },
)

test.skipIf(canNot)('a tap that is closed is collected, although its queues know it', () => {
  const command = [...NAMESPACE, process.execPath, '--expose-gc', scriptPath('tap-collected')]
  const { stdout, stderr } = spawnSync(command[0] as string, command.slice(1), { encoding: 'utf8', timeout: PATIENCE })
  expect({ stdout, stderr }).toEqual({ stdout: 'collected\n', stderr: '' })
})

test('wrong options', () => {
  for (const wrong of [
    { name: '' },
    { name: 'a/b' },
    { name: 'x'.repeat(16) },
    { queues: 0 },
    { queues: 65 },
    { mac: 1 } as never,
  ]) {
    expectRefusal(() => openTap(wrong), 'ERR_KVM_INVALID_ARGUMENT')
  }
})
