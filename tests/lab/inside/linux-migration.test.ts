// A Linux guest that is at work moves to another process: what docs/migration.md says of a guest.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GuestConsole } from 'node-kvm/machine'
import { expect, onTestFinished, test } from 'vitest'
import { outcomeOf, PATIENCE, startLinux } from './linux.js'
import { AT_WORK, shellOf } from './shell.js'

/** Receives a machine at a socket, says so, and runs it with its console on the standard streams. */
const TARGET = `
  import { createServer } from 'node:net'
  import { Machine, serial } from 'node-kvm/machine'
  const server = createServer(async (stream) => {
    server.close()
    const devices = () => [serial({ output: process.stdout, input: process.stdin }), serial({ line: 2 })]
    const machine = await Machine.receive(stream, { devices, timeout: ${PATIENCE} })
    const outcome = await machine.run()
    process.exit(outcome.kind === 'power-off' ? 0 : 1)
  }).listen(process.argv[1], () => console.log('listening'))`

const WRITTEN = 'head -c 20000000 /dev/urandom >/file; md5sum </file'

test.each([1, 2])(
  'with %i vCPUs, while it works: its memory, its clock and its programs go on',
  async (cpus) => {
    const folder = mkdtempSync(join(tmpdir(), 'node-kvm-linux-migration-'))
    onTestFinished(() => {
      rmSync(folder, { recursive: true })
    })
    const guest = await startLinux({ kernel: 'standard', then: 'shell', memory: '256M', cpus })
    await guest.expect('# ')
    const ask = shellOf(guest.console, (text) => {
      guest.console.send(text)
    })
    // A readout that takes long is a timer that comes late: a busy host, and both clocks agree.
    const complaints = "dmesg | grep -v 'Long readout' | grep -iE 'stall|lockup|unstable|watchdog|hung' || true"
    const known = await ask(complaints)
    const sum = await ask(WRITTEN)
    await ask(AT_WORK)
    const uptime = Number((await ask('cut -d" " -f1 /proc/uptime')).trim())
    const began = performance.now()

    const socket = join(folder, 'socket')
    const target = spawn(process.execPath, ['--input-type=module', '-e', TARGET, socket], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    onTestFinished(() => void target.kill('SIGKILL'))
    const closed = once(target, 'close')
    const console = new GuestConsole()
    target.stdout.on('data', (bytes: Buffer) => {
      console.receive(bytes)
    })
    await console.expect('listening', { timeout: PATIENCE })
    const report = await guest.machine.migrate(connect(socket), { downtime: 3000, timeout: PATIENCE })
    expect(report.rounds).toBeGreaterThan(1)
    await outcomeOf(guest, 'migrated')

    const askThere = shellOf(console, (text) => void target.stdin.write(text))
    expect(await askThere('md5sum </file')).toBe(sum)
    expect(await askThere('nproc')).toBe(String(cpus))
    const later = Number((await askThere('cut -d" " -f1 /proc/uptime')).trim())
    expect(later).toBeGreaterThan(uptime)
    expect(later).toBeLessThan(uptime + (1.02 * (performance.now() - began)) / 1000 + 1)
    const counted = Number(await askThere('cat /count'))
    await askThere(`until [ "$(cat /count)" -gt ${counted} ] 2>/dev/null; do :; done`)
    expect(await askThere(complaints)).toBe(known)
    target.stdin.write('poweroff -f\n')
    expect(await closed).toEqual([0, null])
    expect(console.text).not.toMatch(/lost/)
  },
  3 * PATIENCE,
)
