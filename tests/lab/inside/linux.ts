// Linux guests for the tests in the lab, see scripts/guests/linux.mjs.
import { formatPostMortem } from 'node-kvm/inspect'
import {
  describeOutcome,
  type Expected,
  GuestConsole,
  linux,
  Machine,
  type MachineOptions,
  type Outcome,
  serial,
} from 'node-kvm/machine'
import { onTestFinished } from 'vitest'

export type KernelName = 'cloud' | 'standard'

interface Guests {
  READY: string
  kernelPath: (name: KernelName) => string
  guestInitramfs: (kernel: KernelName, options?: { acpidump?: boolean; virtio?: boolean }) => Uint8Array
}

// By its address: the scripts are checked by a project of their own, with other settings.
const guests = (await import(new URL('../../../scripts/guests/linux.mjs', import.meta.url).href)) as Guests
export const { READY, kernelPath, guestInitramfs } = guests

/** A boot takes 10 to 60 s in emulation, more on a busy machine. */
export const PATIENCE = 240_000

export interface LinuxGuestOptions extends Pick<MachineOptions, 'cpus' | 'memory' | 'onReset' | 'devices' | 'backing'> {
  /** Default: the cloud kernel. */
  kernel?: KernelName
  /** What the init does, see scripts/guests/init/linux.sh. */
  then: 'power-off' | 'reboot' | 'panic' | 'report' | 'button' | 'shell' | 'drivers'
  /** Default: `quiet`. */
  cmdline?: string
}

export interface LinuxGuest {
  machine: Machine
  /** The first serial line. */
  console: GuestConsole
  /** The second one, where the init's `report` goes. */
  second: GuestConsole
  /** `console.expect()`, with the patience that emulation needs. */
  expect(wanted: string): Promise<Expected>
  ended: Promise<Outcome>
}

/** Starts a guest; it is closed when the test is over. */
export async function startLinux(options: LinuxGuestOptions): Promise<LinuxGuest> {
  const { kernel = 'cloud', then, cmdline = 'quiet', devices = [], ...machineOptions } = options
  const console = new GuestConsole({ keep: 1 << 20 })
  const second = new GuestConsole()
  const machine = await Machine.create({
    ...machineOptions,
    boot: linux({
      kernel: kernelPath(kernel),
      initrd: guestInitramfs(kernel, { acpidump: then === 'report', virtio: then === 'drivers' }),
      cmdline: `console=ttyS0 ${cmdline} then=${then}`,
    }),
    devices: [serial({ console }), serial({ line: 2, console: second }), ...devices],
  })
  onTestFinished(() => machine.close())
  const ended = machine.run({ timeout: PATIENCE })
  // A failed run is told by who awaits it; nobody may, when a wait before that failed.
  ended.catch(() => {})
  return {
    machine,
    console,
    second,
    ended,
    expect: (wanted) => console.expect(wanted, { timeout: PATIENCE }),
  }
}

/** The outcome, which must be of this kind; for another one, the error says what the guest was doing. */
export async function outcomeOf(guest: LinuxGuest, kind: Outcome['kind']): Promise<Outcome> {
  const outcome = await guest.ended
  if (outcome.kind === kind) return outcome
  const remains = formatPostMortem(await guest.machine.postMortem())
  throw new Error(`${describeOutcome(outcome)}, not ${kind}\n${remains}\n${guest.console.text.slice(-2000)}`)
}

/** What the init's `report` printed, by name. */
export function reportParts(text: string): Map<string, string> {
  const parts = text.matchAll(/^guest: begin (.+)\n([^]*?)^guest: end$/gm)
  return new Map(Array.from(parts, ([, name, content]) => [name!, content!]))
}
