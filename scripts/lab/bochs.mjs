// @ts-check
// A Bochs machine whose init is init/bochs.sh. Bochs writes each serial port to a file, which is followed.

import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Transform, Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { followControl } from './control.mjs'
import { spawnEmulator } from './machine.mjs'
import { quote } from './shell.mjs'
import { tail } from './tail.mjs'
import { run } from './tool.mjs'

/** Modules that init/bochs.sh needs. */
export const BOCHS_MODULES = ['ata_piix', 'sr_mod', 'isofs', 'sd_mod', 'overlay']

/** Serial ports, in order, by what init/bochs.sh sends through them. */
const PORTS = ['console', 'stdout', 'stderr', 'control']
/** The disk for the output folder's archive, in Bochs's own unit: a cylinder of 16 heads and 63 sectors. */
const DISK_BYTES = 1024 * 16 * 63 * 512

/**
 * Instructions in a second of the machine's own time. Less than the emulator does, so that waiting is short; enough
 * that timers leave the kernel time to work.
 */
const INSTRUCTIONS_PER_SECOND = 40_000_000

/** @typedef {import('node:stream').Readable} Readable */

/** What Bochs says when it does not start. */
const SCREEN_KEPT = 2048

/**
 * The serial console, and at its end, where wanted, what was last on the emulator's own screen.
 * @param {Readable | null} screen
 * @param {() => boolean} isWanted
 */
function withScreen(screen, isWanted) {
  let last = ''
  screen?.setEncoding('latin1').on('data', (/** @type {string} */ text) => (last = (last + text).slice(-SCREEN_KEPT)))
  return new Transform({
    transform: (chunk, _encoding, done) => done(null, chunk),
    flush: (done) => done(null, isWanted() ? stripVTControlCharacters(last).trim() : ''),
  })
}

/**
 * @param {object} options
 * @param {string} options.cpu  a model that Bochs knows
 * @param {(path: string, staging: string) => Promise<void>} options.writeIso
 * @param {import('./job.mjs').Job} job
 * @returns {Promise<import('./machine.mjs').Machine>}
 */
export async function startBochs({ cpu, writeIso }, job) {
  const folder = mkdtempSync(join(tmpdir(), 'node-kvm-lab-'))
  /** @param {string} name */
  const path = (name) => join(folder, name)
  mkdirSync(path('staging'))
  await writeIso(path('iso'), path('staging'))
  for (const name of [...PORTS, 'disk']) writeFileSync(path(name), '')
  truncateSync(path('disk'), DISK_BYTES)

  const config = [
    'display_library: term',
    `cpu: model=${cpu}, count=${job.cpus}, ips=${INSTRUCTIONS_PER_SECOND}, reset_on_triple_fault=0`,
    `megs: ${job.memory}`,
    'romimage: file=/usr/share/bochs/BIOS-bochs-latest',
    'vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest',
    'ata0-master: type=cdrom, path=iso, status=inserted',
    'ata0-slave: type=disk, path=disk, mode=flat',
    'boot: cdrom',
    'clock: sync=none',
    ...PORTS.map((name, index) => `com${index + 1}: enabled=1, mode=file, dev=${name}`),
    'log: bochs.log',
    ...['panic: action=fatal', 'error: action=ignore', 'info: action=ignore', 'debug: action=ignore'],
  ]
  writeFileSync(path('bochsrc'), config.map((line) => `${line}\n`).join(''))
  // Debian's Bochs stops in its debugger at the start: "continue". It also insists on a terminal, which script(1) gives it.
  writeFileSync(path('commands'), 'c\n')
  const bochs = ['setpriv', '--pdeathsig', 'KILL', 'bochs', '-q', '-f', 'bochsrc', '-rc', 'commands']
  const script = ['--quiet', '--return', '--flush', '--command', `exec ${bochs.map(quote).join(' ')}`, '/dev/null']
  // Bochs draws its screen on a terminal of its own that nobody reads, and stops for ever when that is full. What fills it is
  // the blinking cursor; a VT100 cannot hide its cursor.
  const env = { ...process.env, TERM: 'vt100' }
  const { child, closed, end: kill } = spawnEmulator('script', script, ['ignore', 'pipe', 'pipe'], { cwd: folder, env })

  const ports = PORTS.map((name) => tail(path(name), closed))
  const [kernel, stdout, stderr, control] = /** @type {[Readable, Readable, Readable, Readable]} */ (ports)
  const { ready, status } = followControl(control, [stdout, stderr], closed)
  void ready.then(() => rmSync(path('iso'))) // it is open, and large

  let isComplete = false
  status.then(
    () => (isComplete = true),
    () => {},
  )
  const end = async () => {
    await kill()
    try {
      if (isComplete)
        await run('tar', ['--extract', '--no-same-owner', '--directory', job.output, '--file', path('disk')])
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
  const console = kernel.pipe(withScreen(child.stdout, () => !isComplete))
  return {
    stdin: new Writable({ write: (_chunk, _encoding, done) => done() }),
    stdout,
    stderr,
    console,
    ready,
    status,
    end,
  }
}
