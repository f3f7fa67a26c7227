// Debian's kernels to user space. Each boot takes a while in emulation, so each shows several things.
import { expect, test } from 'vitest'
import { expectOwnMachine } from './linux-report.js'
import { outcomeOf, READY, startLinux } from './linux.js'

test('1 vCPU, memory on both sides of the hole, every table as it was built, then power-off', () => expectOwnMachine(1))

test('2 vCPUs in 256 MiB: a shell that echoes, a reset that boots again', async () => {
  const guest = await startLinux({ cpus: 2, memory: '256M', then: 'shell' })
  const { before: boot } = await guest.expect(READY)
  // quiet: nothing but warnings comes before user space.
  expect(boot).not.toContain('Linux version')
  await guest.expect('# ')
  guest.console.send('echo $((6 * 7)) CPUs $(nproc)\n')
  // Once as it was typed, and then the answer.
  await guest.expect('echo $((6 * 7))')
  await guest.expect('42 CPUs 2\n')
  await guest.expect('# ')
  guest.console.send('reboot -f\n')
  await guest.expect(READY)
  await guest.expect('# ')
  await guest.machine.stop()
  await outcomeOf(guest, 'stopped')
})

test('the standard kernel boots, and its reset is seen as one', async () => {
  const guest = await startLinux({ kernel: 'standard', then: 'reboot', onReset: 'end' })
  await guest.expect(READY)
  expect(await outcomeOf(guest, 'reset')).toMatchObject({ kind: 'reset', cause: expect.any(String) as string })
})

test('a panic is seen as one', async () => {
  const guest = await startLinux({ then: 'panic' })
  await guest.expect(READY)
  await outcomeOf(guest, 'panic')
})

test('the power button reaches the guest', async () => {
  const guest = await startLinux({ then: 'button' })
  await guest.expect('guest: waiting for the button')
  expect(guest.machine.powerButton()).toBe(true)
  await guest.expect('guest: button')
  await outcomeOf(guest, 'power-off')
})
