// What a machine keeps over a reset, who answers exits and who watches, and what it is made of.
import { closeSync, openSync, readFileSync } from 'node:fs'

import { type Device, type ExitMessage, EXIT_CHANNEL, Kvm } from 'node-kvm'
import { flat, hpet, Machine, type DeviceNode, type MachineOptions, type Observer, serial } from 'node-kvm/machine'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'

import { expectRefusal, expectRejection } from '../thrown.js'
import { assemble, CLI, HLT, inDx, movAl, movDx, outAl, outDx, SPIN } from './guests.js'

const RUN = { timeout: 60_000 }
const COM1 = 0x3f8
const OWN = 0x300
const code = (...parts: (readonly number[])[]): Pick<MachineOptions, 'boot' | 'memory'> => ({
  memory: '1M',
  boot: flat({ image: assemble(...parts), address: 0x8000, mode: 'real' }),
})
const END = [...outAl(0xf4), ...HLT]
const RESET = [...movAl(0xfe), ...outAl(0x64), ...SPIN]
const read = (port: number) => [...movDx(port), ...inDx(1)]
const constant = (value: () => number): Device => ({ read: (_, data) => data.fill(value()), write: () => undefined })
const at = (port: number, device: DeviceNode['device'], name = 'own'): DeviceNode => ({
  name,
  device,
  resources: [{ port, length: 1 }],
})
/** Resets the machine until the byte at port OWN is 2, and ends with it then. */
const twice = [...read(OWN), 0x3c, 2, 0x73, 4, ...movAl(0xfe), ...outAl(0x64)]

describe('over a reset', () => {
  test('what was mapped and changed by hand is still so', async () => {
    // cpuid leaf 0x40000000, in its second life; then the byte of the region beside RAM (at 0x200000, by a device here)
    const cpuid = [0x66, 0xb8, 0, 0, 0, 0x40, 0x0f, 0xa2, 0x66, 0x89, 0xd8]
    using machine = await Machine.create({
      ...code(twice, cpuid, END),
      cpuid: (entries) =>
        entries.map((entry) => (entry.function === 0x4000_0000 ? { ...entry, ebx: 0x1234_5678 } : entry)),
    })
    let lives = 1
    machine.ports.map(
      OWN,
      1,
      constant(() => lives),
    )
    machine.observe({ reset: () => (lives += 1) })
    const kept = machine.vm.addMemory({ at: 0x20_0000, size: 4096 })
    kept.writeUint8(kept.at, 7)
    machine.vm.setGsiRouting([{ gsi: 5, type: 'irqchip', irqchip: 'ioapic', pin: 20 }])
    const { vm } = machine
    expect(await machine.run(RUN)).toMatchObject({ kind: 'exit', value: 0x78 })
    expect(lives).toBe(2)
    expect(machine.vm).toBe(vm)
    expect(machine.vm.memory.readUint8(0x20_0000)).toBe(7)
    vm.irqLine(5, true)
    expect(vm.getIrqchip('ioapic').irr & (1 << 20)).toBe(1 << 20)
  })

  test.each([
    ['boot', 0],
    ['warm', 0x5a],
  ] as const)('with onReset: %s, RAM that the guest has written reads 0x%x', async (onReset, value) => {
    let lives = 1
    const device = {
      ...constant(() => lives),
      reset: () => (lives += 1),
    }
    // mov byte [0x600], 0x5a before the reset; mov al, [0x600] after
    const first = [...read(OWN), 0x3c, 2, 0x73, 9, 0xc6, 0x06, 0x00, 0x06, 0x5a, ...movAl(0xfe), ...outAl(0x64)]
    using machine = await Machine.create({
      ...code(first, [0xa0, 0x00, 0x06], END),
      devices: [at(OWN, device)],
      onReset,
    })
    expect(await machine.run(RUN)).toMatchObject({ kind: 'exit', value })
  })

  test('processors begin as they did: registers, mode and interrupt controllers', async () => {
    let lives = 1
    const device = {
      ...constant(() => lives),
      reset: () => (lives += 1),
    }
    // The first life masks nothing at the 8259, sets BX and protected mode, and resets.
    const spoil = [
      ...movAl(0),
      ...outAl(0x21),
      0xbb,
      0x34,
      0x12,
      0x0f,
      0x20,
      0xc0,
      0x66,
      0x83,
      0xc8,
      1,
      0x0f,
      0x22,
      0xc0,
    ]
    const first = [...read(OWN), 0x3c, 2, 0x73, spoil.length + 4, ...spoil, ...movAl(0xfe), ...outAl(0x64)]
    // smsw ax; or ax, bx; out the low bits
    const tell = [0x0f, 0x01, 0xe0, 0x09, 0xd8, 0x24, 0x35, ...END]
    using machine = await Machine.create({ ...code(first, tell), devices: [at(OWN, device)] })
    expect(await machine.run(RUN)).toMatchObject({ kind: 'exit', value: 0x10 & 0x35 })
    expect(machine.vm.getIrqchip('pic-master').imr).toBe(0xff)
  })
})

describe('devices', () => {
  test('have names, in order; a name that is taken is refused', async () => {
    const device = constant(() => 0)
    using machine = await Machine.create({ ...code(END), devices: [serial(), at(OWN, device)] })
    expect([...machine.devices.keys()].slice(-2)).toEqual(['serial0', 'own'])
    expect(machine.devices.get('own')).toBe(device)
    await expectRejection(
      Machine.create({ ...code(END), devices: [at(OWN, device), at(OWN + 1, device)] }),
      'ERR_KVM_INVALID_ARGUMENT',
      /own/,
    )
  })

  test("are in the guest's tables in the order in which they were given", async () => {
    const own: DeviceNode = {
      ...at(
        OWN,
        constant(() => 0),
      ),
      acpi: { hid: 'PNP0501', name: 'OWN' },
    }
    using machine = await Machine.create({ ...code(END), devices: [serial(), own] })
    const dsdt = machine.placed.find(({ name }) => name === 'ACPI DSDT')!
    const text = Buffer.from(machine.vm.memory.read(dsdt.start, dsdt.size)).toString('latin1')
    expect(text.indexOf('COM1')).toBeGreaterThan(0)
    expect(text.indexOf('OWN_')).toBeGreaterThan(text.indexOf('COM1'))
  })

  test('may take their time: the vCPU waits, and the event loop does not', async () => {
    let ticks = 0
    const device: Device = {
      read: async (_offset, data) => {
        for (let count = 0; count < 3; count++) await new Promise((resolve) => setTimeout(resolve, 1))
        data.fill(++ticks)
      },
      write: () => undefined,
    }
    using machine = await Machine.create({ ...code(read(OWN), read(OWN), END), devices: [at(OWN, device)] })
    expect(await machine.run(RUN)).toMatchObject({ kind: 'exit', value: 2 })
  })

  test('one whose promise rejects ends the run, with its name', async () => {
    const device: Device = { read: () => Promise.reject(new Error('late')), write: () => undefined }
    using machine = await Machine.create({ ...code(read(OWN), END), devices: [at(OWN, device, 'slow')] })
    await expectRejection(machine.run(RUN), 'ERR_KVM_DEVICE_FAILED', /^slow failed in a read of 1 byte .*: late$/)
  })

  test('reach memory, interrupts and the guest by their context, wherever the machine has put them', async () => {
    const seen: unknown[] = []
    const device: DeviceNode = {
      name: 'copier',
      device: ({ name, memory, interrupt, clock, effects }) => {
        const line = interrupt()
        return {
          read: () => undefined,
          write: () => {
            const before = clock.now()
            seen.push(name, memory.write(0x600, Uint8Array.of(1, 2)), memory.write(2 ** 40, Uint8Array.of(1)))
            line.set(true)
            seen.push(clock.now() >= before)
            effects.powerOff()
          },
        }
      },
      resources: [{ port: OWN, length: 1 }, { memory: 'any', length: 0x100 }, { gsi: 'any' }],
    }
    using machine = await Machine.create({ ...code(movDx(OWN), outDx(1), HLT), devices: [device] })
    expect(await machine.run(RUN)).toMatchObject({ kind: 'power-off' })
    expect(seen).toEqual(['copier', true, false, true])
    expect(machine.vm.memory.readUint16(0x600)).toBe(0x0201)
    expect(machine.vm.getIrqchip('ioapic').irr & 0xff_0000).toBe(0x1_0000)
    expect(machine.mmio.mappings.map(({ name }) => name)).toEqual(['copier'])
  })

  test('a doorbell rings, and the guest does not wait', async () => {
    let rung = 0
    const device: DeviceNode = at(OWN, ({ doorbell, effects }) => {
      doorbell({ offset: 0 }, () => {
        rung++
        effects.powerOff()
      })
      return constant(() => 0)
    })
    using machine = await Machine.create({ ...code(movDx(OWN), outDx(1), CLI, SPIN), devices: [device] })
    expect(await machine.run(RUN)).toMatchObject({ kind: 'power-off' })
    expect(rung).toBe(1)
  })
})

describe('an exit', () => {
  test('is answered by whom the user says, and by the machine again', async () => {
    using machine = await Machine.create(code(read(OWN), END))
    const back = machine.onExit('io', (exit) => {
      if (exit.port !== OWN) return
      exit.data.fill(9)
      back()
    })
    expect(await machine.run(RUN)).toMatchObject({ kind: 'exit', value: 9 })
  })

  test('that nobody answers ends the run', async () => {
    using machine = await Machine.create(code(CLI, SPIN))
    machine.vm.vcpus[0]?.setGuestDebug({ enable: true, singleStep: true })
    expect(await machine.run(RUN)).toMatchObject({
      kind: 'kvm-error',
      exit: expect.stringContaining('debug') as string,
    })
  })
})

describe('who watches', () => {
  test('sees every access, also what nobody would wait for, and the end', async () => {
    const seen: string[] = []
    using machine = await Machine.create({
      ...code(movAl(0x41), movDx(COM1), outDx(1), read(COM1 + 5), [...movAl(0x10), ...outAl(0x80)], movAl(3), END),
      devices: [serial()],
    })
    const observer: Observer = {
      exit: ({ vcpu, exit }) => {
        if (exit.reason === 'io') seen.push(`${vcpu} ${exit.direction} ${exit.port.toString(16)}`)
      },
      console: (bytes) => seen.push(`console ${Buffer.from(bytes).toString()}`),
      postCode: (value) => seen.push(`code ${value}`),
      outcome: ({ kind }) => seen.push(kind),
    }
    machine.observe(observer)
    await machine.run(RUN)
    expect(seen).toEqual(['0 out 3f8', 'console A', '0 in 3fd', '0 out 80', 'code 16', '0 out f4', 'exit'])
  })

  test('must be an object', async () => {
    using machine = await Machine.create(code(END))
    for (const observer of [undefined, null, 'exit']) {
      expectRefusal(() => machine.observe(observer as never), 'ERR_KVM_INVALID_ARGUMENT', /observer/)
    }
  })

  test('may come while the guest runs, and go', async () => {
    using machine = await Machine.create({ ...code([...read(COM1 + 5), 0xeb, 0xfd]), devices: [serial()] })
    const running = machine.run(RUN)
    await expect.poll(() => machine.vm.vcpus[0]?.stats?.latched ?? 0).toBeGreaterThan(0)
    let exits = 0
    const end = machine.observe({ exit: () => (exits += 1) })
    await expect.poll(() => exits).toBeGreaterThan(10)
    end()
    await new Promise((resolve) => setTimeout(resolve, 50))
    const after = exits
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(exits).toBe(after)
    await machine.stop()
    expect(await running).toMatchObject({ kind: 'stopped' })
  })

  test('hears of resets, the power button and a device that fails', async () => {
    const seen: unknown[] = []
    using machine = await Machine.create({
      ...code(RESET),
      devices: [
        at(OWN, ({ fail }) => ({
          ...constant(() => 0),
          reset: () => {
            fail(new Error('gone'))
          },
        })),
      ],
    })
    machine.observe({
      reset: (cause) => seen.push(cause),
      powerButton: (heard) => seen.push(heard),
      failure: (error) => seen.push(String(error)),
    })
    machine.powerButton()
    await expectRejection(machine.run(RUN), 'ERR_KVM_DEVICE_FAILED', /gone/)
    expect(seen).toEqual([false, 'the keyboard controller', expect.stringContaining('gone')])
  })

  test('and throws ends the run with that', async () => {
    using machine = await Machine.create(code(movAl(0x10), outAl(0x80), CLI, SPIN))
    machine.observe({
      postCode: () => {
        throw new Error('watcher')
      },
    })
    await expect(machine.run(RUN)).rejects.toMatchObject({ message: expect.stringContaining('watcher') as string })
  })

  test('the diagnostics channel has the exits of every vCPU', async () => {
    const seen: string[] = []
    const listener = (message: unknown) => {
      const { vcpu, exit } = message as ExitMessage
      if (exit.reason === 'io') seen.push(`${vcpu} ${exit.port.toString(16)}`)
    }
    subscribe(EXIT_CHANNEL, listener)
    try {
      using machine = await Machine.create(code(read(OWN), END))
      await machine.run(RUN)
    } finally {
      unsubscribe(EXIT_CHANNEL, listener)
    }
    expect(seen).toEqual(['0 300', '0 f4'])
  })
})

describe('a machine can be made', () => {
  test('without the timer that kernels find by themselves', async () => {
    using machine = await Machine.create({ ...code(END), timer: false })
    expect(() => machine.vm.getPit2()).toThrow(/KVM_GET_PIT2/)
    const running = machine.run(RUN)
    await machine.pause()
    machine.resume()
    expect(await running).toMatchObject({ kind: 'exit' })
  })

  test.each([
    [true, { kind: 'suspend' }],
    [false, { kind: 'exit' }],
  ])('with suspend: %s', async (suspend, outcome) => {
    // SLP_TYP 1, SLP_EN into PM1 control at 0x604
    const sleep = [...movDx(0x604), 0xb8, 0x00, 0x24, ...outDx(2)]
    using machine = await Machine.create({ ...code(sleep, END), suspend })
    expect(await machine.run(RUN)).toMatchObject(outcome)
  })

  test.each([undefined, 'memfd', 'anonymous'] as const)('with RAM of another kind: %s', async (backing) => {
    const memfds = () => readFileSync('/proc/self/maps', 'utf8').split('memfd:guest-memory').length - 1
    const before = memfds()
    using machine = await Machine.create({ ...code(END), ...(backing === undefined ? {} : { backing }) })
    expect(memfds() - before).toBe(backing === 'memfd' ? machine.vm.memory.regions.length : 0)
    expect(await machine.run(RUN)).toMatchObject({ kind: 'exit' })
  })

  test('with memory beside RAM, and another hole', async () => {
    using machine = await Machine.create({
      ...code([0xa0, 0x00, 0x00], END),
      memory: '8M',
      memoryMap: { hole: { start: 0x40_0000, end: 2 ** 32 }, regions: [{ at: 0x60_0000, size: 4096 }] },
    })
    expect(machine.vm.memory.regions.map(({ at: address, size }) => [address, size])).toEqual([
      [0, 0x40_0000],
      [0x60_0000, 4096],
      [2 ** 32, 0x40_0000],
    ])
  })

  test('with high precision event timers', async () => {
    // The low byte of the counter's tick, of the capabilities' upper half, by 32 bits: 10,000,000 fs are 0x989680.
    const image = Uint8Array.of(0xa1, 4, 0, 0xd0, 0xfe, 0xe6, 0xf4, 0xf4)
    using machine = await Machine.create({
      memory: '1M',
      boot: flat({ image, address: 0x8000, mode: 'protected' }),
      devices: [hpet()],
    })
    expect(machine.placed.map(({ name }) => name)).toContain('ACPI HPET')
    expect(await machine.run(RUN)).toMatchObject({ kind: 'exit', value: 0x80 })
  })

  test('whose event timers count without JavaScript', async () => {
    // mov dword [GEN_CONF], 1; again: mov eax, [MAIN_CNT]; test eax, eax; jz again; mov al, 7; out 0xf4, al
    const start = [0xc7, 0x05, 0x10, 0x00, 0xd0, 0xfe, 1, 0, 0, 0]
    const wait = [0xa1, 0xf0, 0x00, 0xd0, 0xfe, 0x85, 0xc0, 0x74, 0xf7]
    using machine = await Machine.create({
      memory: '1M',
      boot: flat({ image: assemble(start, wait, movAl(7), END), address: 0x8000, mode: 'protected' }),
      devices: [hpet()],
    })
    expect(await machine.run(RUN)).toMatchObject({ kind: 'exit', value: 7 })
    expect(machine.vm.vcpus[0]?.stats?.latched).toBeGreaterThan(0)
  })

  test('of KVM that somebody has opened, and keeps', async () => {
    const fd = openSync('/dev/kvm', 'r+')
    using kvm = Kvm.fromFd(fd)
    closeSync(fd)
    const machine = await Machine.create({ ...code(END), kvm })
    expect(await machine.run(RUN)).toMatchObject({ kind: 'exit' })
    machine.close()
    expect(kvm.closed).toBe(false)
  })

  test('not of something that is no KVM', () => {
    const fd = openSync('/dev/null', 'r')
    try {
      expect(() => Kvm.fromFd(fd)).toThrow(/file descriptor \d+/)
      expect(() => Kvm.fromFd(1_000_000)).toThrow(/EBADF/)
      expect(() => Kvm.fromFd(-1)).toThrow(/fd/)
    } finally {
      closeSync(fd)
    }
  })

  test.each([
    [{ onReset: 'cold' }, /onReset/],
    [{ memoryMap: { hole: { start: 1, end: 2 } } }, /hole/],
    [{ memoryMap: { holes: [] } }, /holes/],
    [{ backing: 'file' }, /backing/],
    [{ cpuid: [] }, /cpuid/],
    [{ kvm: {} }, /kvm/],
    [{ devices: [{ name: 'x' }] }, /devices/],
    [{ devices: [{ name: 'x', device: {}, resources: [{ port: OWN, length: 1 }] }] }, /device/],
    [
      {
        devices: [
          at(
            0xf4,
            constant(() => 0),
          ),
        ],
      },
      /exit has port/,
    ],
  ])('not with the options %j', async (options, message) => {
    await expect(Machine.create({ ...code(END), ...(options as object) })).rejects.toThrow(message)
  })
})
