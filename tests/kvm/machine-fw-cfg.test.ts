// What firmware and kernels ask of fw_cfg, asked by a guest through its DMA (QEMU's docs/specs/fw_cfg.rst).
import { FW_CFG_KEYS, FwCfg } from 'node-kvm/devices'
import { firmware, flat, Machine, type MachineOptions } from 'node-kvm/machine'
import { expect, test } from 'vitest'

const START = 0x8000
const COMMANDS = 0x100 // from the image's start
const BUFFERS = 0x2_0000
const BUFFER = 0x1000
const [READ, SELECT] = [1 << 1, 1 << 3]
const FW_CFG_DMA_LOW = 0x518
const MIB = 2 ** 20

/** A real-mode guest that has fw_cfg put each item into a buffer of its own, and ends. */
function asking(keys: readonly number[]): Uint8Array {
  const image = Buffer.alloc(0x1000)
  const code = keys.flatMap((_, index) => {
    const command = Buffer.alloc(4)
    command.writeUInt32BE(START + COMMANDS + 16 * index)
    return [0xba, FW_CFG_DMA_LOW & 0xff, FW_CFG_DMA_LOW >> 8, 0x66, 0xb8, ...command, 0x66, 0xef] // mov dx; mov eax; out dx, eax
  })
  image.set([...code, 0xb0, 0, 0xe6, 0xf4, 0xf4]) // mov al, 0; out 0xf4, al; hlt
  for (const [index, key] of keys.entries()) {
    const at = COMMANDS + 16 * index
    image.writeUInt32BE(((key << 16) | SELECT | READ) >>> 0, at)
    image.writeUInt32BE(BUFFER, at + 4)
    image.writeUInt32BE(BUFFERS + BUFFER * index, at + 12)
  }
  return image
}

async function ask(keys: readonly number[], options: Partial<MachineOptions>): Promise<Buffer[]> {
  using machine = await Machine.create({
    ...{ memory: '16M', boot: flat({ image: asking(keys), address: START, mode: 'real' }) },
    ...options,
  })
  expect(await machine.run({ timeout: 20_000 })).toMatchObject({ kind: 'exit', value: 0 })
  return keys.map((_, index) => Buffer.from(machine.vm.memory.read(BUFFERS + BUFFER * index, BUFFER)))
}

const cpuCount = (bytes: Buffer) => bytes.readUInt16LE()

test('says who it is, how many CPUs and how much memory there is', async () => {
  const { signature, id, cpus, maxCpus, ramSize } = FW_CFG_KEYS
  const found = await ask([signature, id, cpus, maxCpus, ramSize], { cpus: 2, fwCfg: true })
  expect(found[0]?.toString('latin1', 0, 4)).toBe('QEMU')
  expect(found[1]?.readUInt32LE()).toBe(3) // the ports, and DMA
  expect(found.slice(2, 4).map(cpuCount)).toEqual([2, 2])
  expect(found[4]?.readBigUInt64LE()).toBe(BigInt(16 * MIB))
})

test('has the files that its user gives it, and lists them', async () => {
  const key = 0x20 // the first file's
  using machine = await Machine.create({
    memory: '16M',
    boot: flat({ image: asking([FW_CFG_KEYS.fileDirectory, key]), address: START, mode: 'real' }),
    fwCfg: true,
  })
  const device = machine.devices.get('fw_cfg')
  if (!(device instanceof FwCfg)) throw new Error('the machine has no fw_cfg')
  device.addFile('opt/org.example/greeting', Buffer.from('hello'))
  expect(await machine.run({ timeout: 20_000 })).toMatchObject({ kind: 'exit', value: 0 })
  const [directory, file] = [0, 1].map((index) => Buffer.from(machine.vm.memory.read(BUFFERS + BUFFER * index, BUFFER)))
  expect([directory?.readUInt32BE(0), directory?.readUInt32BE(4), directory?.readUInt16BE(8)]).toEqual([1, 5, key])
  expect(directory?.toString('latin1', 12).replace(/\0.*/s, '')).toBe('opt/org.example/greeting')
  expect(file?.toString('latin1', 0, 6)).toBe('hello\0')
})

test('is there where firmware boots, and else where it is asked for', async () => {
  const boot = flat({ image: asking([]), address: START, mode: 'real' })
  const has = async (options: MachineOptions) => {
    using machine = await Machine.create({ memory: '16M', ...options })
    return machine.devices.get('fw_cfg') !== undefined
  }
  const image = new Uint8Array(0x1_0000).fill(0xf4)
  expect(await Promise.all([has({ boot }), has({ boot, fwCfg: true }), has({ boot: firmware({ image }) })])).toEqual([
    false,
    true,
    true,
  ])
  expect(await has({ boot: firmware({ image }), fwCfg: false })).toBe(false)
})
