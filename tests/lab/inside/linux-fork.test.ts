// A Linux guest that is at work is forked, and goes on from a snapshot in another process: what docs/fork-correctness.md says of Linux.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GuestConsole, type Machine, serial } from 'node-kvm/machine'
import { expect, onTestFinished, test } from 'vitest'
import { outcomeOf, PATIENCE, startLinux } from './linux.js'
import { type Ask, AT_WORK, shellOf } from './shell.js'

const FORKS = 20
const RESEEDED = 'crng reseeded due to virtual machine fork'

/** What of a guest must differ, and what must be the same or near. */
async function look(ask: Ask) {
  const random = await ask('cat /proc/sys/kernel/random/uuid')
  const bytes = await ask('head -c 32 /dev/urandom | md5sum')
  const reseeded = Number(await ask(`dmesg | grep -c '${RESEEDED}' || true`))
  const uptime = Number((await ask('cut -d" " -f1 /proc/uptime')).trim())
  const count = Number(await ask('until [ -n "$n" ]; do n=$(cat /count); done; echo $n; n='))
  return { random, bytes, reseeded, uptime, count }
}

/** Lets a machine go on, with a shell. */
function goOn(machine: Machine, console: GuestConsole): Ask {
  onTestFinished(() => {
    machine.close()
  })
  machine.run({ timeout: PATIENCE }).catch(() => undefined)
  return shellOf(console, (text) => {
    console.send(text)
  })
}

test(
  'forked while it works: each fork goes on by itself, its clocks too, with random numbers of its own; the first one notices nothing',
  async () => {
    const guest = await startLinux({ kernel: 'standard', then: 'shell', memory: '256M', backing: 'memfd' })
    await guest.expect('# ')
    const ask = shellOf(guest.console, (text) => {
      guest.console.send(text)
    })
    await ask(AT_WORK)
    const looked = performance.now()
    const before = await look(ask)
    expect(before.reseeded).toBe(0)
    using template = await guest.machine.freeze()
    const ran = performance.now() - looked

    const seen = [before]
    for (let number = 0; number < FORKS; number++) {
      const console = new GuestConsole()
      const machine = await template.fork({
        devices: [serial({ console }), serial({ line: 2, console: new GuestConsole() })],
      })
      const began = performance.now()
      const fork = await look(goOn(machine, console))
      expect(fork.reseeded).toBe(1)
      expect(fork.uptime).toBeGreaterThan(before.uptime)
      // No fork knows of the time that went by before it: two clocks are compared, and may differ a little.
      const since = (ran + performance.now() - began) / 1000
      expect(fork.uptime).toBeLessThan(before.uptime + 1.02 * since + 1)
      expect(fork.count).toBeGreaterThan(before.count)
      seen.push(fork)
      machine.close()
    }
    const first = await look(ask)
    expect(first.reseeded).toBe(0)
    expect(first.count).toBeGreaterThan(before.count)
    seen.push(first)
    for (const what of ['random', 'bytes'] as const) {
      expect(new Set(seen.map((each) => each[what])).size).toBe(seen.length)
    }
    expect(guest.console.text).not.toMatch(/lost|stall|clocksource/)
    await ask('poweroff -f & true')
    await outcomeOf(guest, 'power-off')
  },
  4 * PATIENCE,
)

test(
  'a snapshot, restored in another process: it goes on, with the host’s time of day in its real-time clock',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'node-kvm-linux-fork-'))
    onTestFinished(() => {
      rmSync(folder, { recursive: true })
    })
    const guest = await startLinux({ kernel: 'standard', then: 'shell', memory: '256M', backing: 'memfd' })
    await guest.expect('# ')
    const ask = shellOf(guest.console, (text) => {
      guest.console.send(text)
    })
    await ask(AT_WORK)
    const before = await look(ask)
    await guest.machine.snapshot(join(folder, 'snapshot'))
    await guest.machine.stop()
    // The second serial line is not the command's: a device of its own says what it writes there.
    const program = `
      import { serial, Machine, Snapshot } from 'node-kvm/machine'
      const snapshot = await Snapshot.open(process.argv[1])
      await snapshot.verify()
      const devices = [serial({ output: process.stdout, input: process.stdin }), serial({ line: 2 })]
      const machine = await Machine.restore(snapshot, { devices })
      const outcome = await machine.run()
      process.exit(outcome.kind === 'power-off' ? 0 : 1)`
    const args = ['--input-type=module', '-e', program, join(folder, 'snapshot')]
    const other = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    onTestFinished(() => void other.kill('SIGKILL'))
    const closed = once(other, 'close')
    const console = new GuestConsole()
    other.stdout.on('data', (bytes: Buffer) => {
      console.receive(bytes)
    })
    const askOther = shellOf(console, (text) => void other.stdin.write(text))
    const after = await look(askOther)
    expect(after.reseeded).toBe(1)
    expect(after.count).toBeGreaterThan(before.count)
    expect(after.random).not.toBe(before.random)
    const now = Number(await askOther('hwclock -s -u; date +%s'))
    expect(Math.abs(now - Date.now() / 1000)).toBeLessThan(PATIENCE / 1000)
    other.stdin.write('poweroff -f\n')
    expect(await closed).toEqual([0, null])
  },
  3 * PATIENCE,
)
