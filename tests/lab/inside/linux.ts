// Linux guests for the tests in the lab, see scripts/guests/linux.mjs.
import { PassThrough } from 'node:stream'
import { formatPostMortem } from 'node-kvm/inspect'
import { describeOutcome, linux, Machine, type MachineOptions, type Outcome, serial } from 'node-kvm/machine'
import { onTestFinished } from 'vitest'

export type KernelName = 'cloud' | 'standard'

interface Guests {
  READY: string
  kernelPath: (name: KernelName) => string
  guestInitramfs: (kernel: KernelName) => Uint8Array
}

// By its address: the scripts are checked by a project of their own, with other settings.
const guests = (await import(new URL('../../../scripts/guests/linux.mjs', import.meta.url).href)) as Guests
export const { READY, kernelPath, guestInitramfs } = guests

/** A boot takes 10 to 60 s in emulation, more on a busy machine. */
const PATIENCE = 240_000

export interface LinuxGuestOptions extends Pick<MachineOptions, 'cpus' | 'memory' | 'onReset'> {
  /** Default: the cloud kernel. */
  kernel?: KernelName
  /** What the init does, see scripts/guests/init/linux.sh. */
  then: 'power-off' | 'reboot' | 'panic' | 'report' | 'button' | 'shell'
  /** Default: `quiet`. */
  cmdline?: string
}

export interface LinuxGuest {
  machine: Machine
  /** Everything on the serial line so far, without carriage returns. */
  readonly text: string
  /** Resolves with what came up to and including `text`, from where the last wait ended. */
  waitFor(text: string): Promise<string>
  send(text: string): void
  /** What came on the second serial line, without carriage returns. */
  readonly report: string
  ended: Promise<Outcome>
}

/** Starts a guest; it is closed when the test is over. */
export async function startLinux(options: LinuxGuestOptions): Promise<LinuxGuest> {
  const { kernel = 'cloud', then, cmdline = 'quiet', ...machineOptions } = options
  const input = new PassThrough()
  let text = ''
  let report = ''
  let seen = 0
  let check = () => {}
  const output = (bytes: Uint8Array) => {
    text += plain(bytes)
    check()
  }
  const machine = await Machine.create({
    ...machineOptions,
    boot: linux({
      kernel: kernelPath(kernel),
      initrd: guestInitramfs(kernel),
      cmdline: `console=ttyS0 ${cmdline} then=${then}`,
    }),
    devices: [serial({ output, input }), serial({ line: 2, output: (bytes) => (report += plain(bytes)) })],
  })
  onTestFinished(() => machine.close())
  const ended = machine.run({ timeout: PATIENCE })
  // A failed run is told by who awaits it; nobody may, when a wait before that failed.
  ended.catch(() => {})
  return {
    machine,
    ended,
    get text() {
      return text
    },
    get report() {
      return report
    },
    async waitFor(wanted) {
      const found = new Promise<string>((resolve) => {
        check = () => {
          const at = text.indexOf(wanted, seen)
          if (at < 0) return
          check = () => {}
          const part = text.slice(seen, at + wanted.length)
          seen = at + wanted.length
          resolve(part)
        }
        check()
      })
      const ending = ended.then(({ kind }) => {
        throw new Error(`the guest ended (${kind}) before it wrote ${JSON.stringify(wanted)}:\n${text.slice(-2000)}`)
      })
      return Promise.race([found, ending])
    },
    send(line) {
      input.write(line)
    },
  }
}

function plain(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1').replaceAll('\r', '')
}

/** The outcome, which must be of this kind; for another one, the error says what the guest was doing. */
export async function outcomeOf(guest: LinuxGuest, kind: Outcome['kind']): Promise<Outcome> {
  const outcome = await guest.ended
  if (outcome.kind === kind) return outcome
  const remains = formatPostMortem(await guest.machine.postMortem())
  throw new Error(`${describeOutcome(outcome)}, not ${kind}\n${remains}\n${guest.text.slice(-2000)}`)
}

/** What the init's `report` printed, by name. */
export function reportParts(text: string): Map<string, string> {
  const parts = text.matchAll(/^guest: begin (.+)\n([^]*?)^guest: end$/gm)
  return new Map(Array.from(parts, ([, name, content]) => [name!, content!]))
}
