// What devices offer to the vCPUs' threads goes with their mapping and their machine.
import { AcpiPm, Rtc } from 'node-kvm/devices'
import { type DeviceHost, flat, Machine } from 'node-kvm/machine'
import { expect, test } from 'vitest'
import { assemble, HLT, inDx, movAl, movDx, outAl } from './guests.js'
import { until } from './threaded.js'

// ACPI power management: offsets of the registers.
const PM1_ENABLE = 2
const PM1_CONTROL = 4
const PM_TIMER = 8
const EXIT = [...outAl(0xf4), ...HLT]

const create = (attach: (host: DeviceHost) => void, ...code: (readonly number[])[]) =>
  Machine.create({ boot: flat({ image: assemble(...code), address: 0x8000, mode: 'real' }), devices: [{ attach }] })

test('a device that is mapped in part answers nowhere else', async () => {
  const other = { read: (_offset: number, data: Uint8Array) => void data.fill(0x77), write: () => undefined }
  const attach = (host: DeviceHost) => {
    host.add({ name: 'other', device: other, resources: [{ port: 0x5000, length: 8 }] })
    host.add({ name: 'timer', device: new AcpiPm(), resources: [{ port: 0x5008, length: 4, offset: PM_TIMER }] })
  }
  using machine = await create(attach, movDx(0x5000 + PM1_CONTROL), inDx(1), EXIT)
  expect(await machine.run({ timeout: 20_000 })).toMatchObject({ kind: 'exit', value: 0x77 })
  expect(machine.vm.vcpus[0]?.stats).toMatchObject({ latched: 0 })
})

test('a part of a device can be mapped below where the whole would begin', async () => {
  const attach = (host: DeviceHost) => {
    host.add({ name: 'timer', device: new AcpiPm(), resources: [{ port: 2, length: 2, offset: PM_TIMER }] })
  }
  using machine = await create(attach, EXIT)
  expect(await machine.run({ timeout: 20_000 })).toMatchObject({ kind: 'exit' })
})

test('a clock that is replaced while the guest runs has the index that the guest has written', async () => {
  const INDEX_WITHOUT_NMI = 0x8f
  const waitForFlag = [0x80, 0x3e, 0x00, 0x50, 1, 0x75, 0xf9] // cmp byte [0x5000], 1; jne
  const readData = [0xe4, 0x71]
  using machine = await create(() => undefined, movAl(INDEX_WITHOUT_NMI), outAl(0x70), waitForFlag, readData, EXIT)
  const ended = machine.run({ timeout: 20_000 })
  await until(() => machine.vm.vcpus[0]?.stats?.posted === 1)
  const mapping = machine.ports.mappings.find(({ start }) => start === 0x70)!
  const old = mapping.device
  if (!(old instanceof Rtc)) throw new Error('no clock')
  expect([old.nmiMasked, old.save().index]).toEqual([true, INDEX_WITHOUT_NMI])
  const clock = new Rtc()
  mapping.replace(clock)
  clock.restore({ ...clock.save(), cmos: clock.save().cmos.with(INDEX_WITHOUT_NMI & 0x7f, 0x5a) })
  machine.vm.memory.writeUint8(0x5000, 1)
  expect(await ended).toMatchObject({ kind: 'exit', value: 0x5a })
})

test('the devices of a machine that has been closed can be used, and change as ever', async () => {
  const machine = await create(() => undefined, EXIT)
  await machine.run({ timeout: 20_000 })
  const devices = machine.ports.mappings.map(({ device }) => device)
  machine.close()
  const pm = devices.find((device) => device instanceof AcpiPm)!
  pm.write(PM1_ENABLE, Uint8Array.of(0x20, 1))
  expect(pm.save().enable).toBe(0x120)
  pm.restore({ ...pm.save(), enable: 0x100, timer: 5 })
  expect(pm.save().enable).toBe(0x100)
  const clock = devices.find((device) => device instanceof Rtc)!
  clock.write(0, Uint8Array.of(0x0f))
  clock.write(1, Uint8Array.of(0x5a))
  const read = new Uint8Array(1)
  clock.read(1, read)
  expect([read[0], clock.save().index]).toEqual([0x5a, 0x0f])
})
