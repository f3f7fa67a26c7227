// What the lessons with devices share: a machine that runs one of the guests in guests/, and prints what that says.
import { fileURLToPath } from 'node:url'
import { DebugConsole } from 'node-kvm/devices'
import { describeOutcome, type DeviceNode, flat, Machine, type MachineDevice, type Outcome } from 'node-kvm/machine'
import { MMIO_LENGTH, type VirtioDevice, VirtioMmio } from 'node-kvm/virtio'

/** A ready-made PC without an operating system: a guest's image in memory, a port to print through, and the lesson's devices. */
export function guestMachine(
  guest: string,
  devices: readonly (MachineDevice | DeviceNode)[],
  output: (bytes: Uint8Array) => void = (bytes) => process.stdout.write(bytes),
): Promise<Machine> {
  const image = fileURLToPath(new URL(`../guests/${guest}.bin`, import.meta.url))
  const console = { name: 'console', device: new DebugConsole({ output }), resources: [{ port: 0xe9, length: 1 }] }
  return Machine.create({
    memory: '16M',
    boot: flat({ image, address: 0x1000, mode: 'real' }),
    devices: [...devices, console],
  })
}

/** A virtio device at the one address that these guests know. A kernel looks for its devices: for it, `virtio(device)` is enough. */
export const virtioAtKnownAddress = (device: VirtioDevice): DeviceNode => ({
  name: 'virtio',
  device: (context) => new VirtioMmio(device, context),
  resources: [{ memory: 0xd000_0000, length: MMIO_LENGTH }, { gsi: 5 }],
})

export const howItEnded = (outcome: Outcome) =>
  outcome.kind === 'exit' ? `the guest is done: ${outcome.value}` : describeOutcome(outcome)

/** Runs a guest to its end, and returns what it has said. So the lines of guests that run at the same time do not mix. */
export async function wordsOfGuest(guest: string, devices: readonly (MachineDevice | DeviceNode)[]): Promise<string> {
  let words = ''
  using machine = await guestMachine(guest, devices, (bytes) => (words += String.fromCharCode(...bytes)))
  const outcome = await machine.run({ timeout: 60_000 })
  return `${words}host: ${howItEnded(outcome)}\n`
}
