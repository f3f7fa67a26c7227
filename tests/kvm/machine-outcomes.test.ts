// A machine with guests of a few instructions: how each of their lives ends, and what the machine is told of it.
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Device } from 'node-kvm'
import {
  describeOutcome,
  flat,
  GuestConsole,
  Machine,
  type MachineOptions,
  type Outcome,
  serial,
} from 'node-kvm/machine'
import { describe, expect, test } from 'vitest'

import { expectRefusal, expectRejection } from '../thrown.js'
import {
  assemble,
  CLI,
  decCxJnzBack,
  HLT,
  inDx,
  movAl,
  movAx,
  movCx,
  movDx,
  outAl,
  outDx,
  SPIN,
  STI,
} from './guests.js'

const ADDRESS = 0x8000
const READS = 20_000

type Parts = (readonly number[])[]

function boot(...parts: Parts): Pick<MachineOptions, 'boot'> {
  return { boot: flat({ image: assemble(...parts), address: ADDRESS, mode: 'real' }) }
}

async function runToEnd(options: MachineOptions): Promise<Outcome> {
  using machine = await Machine.create(options)
  return await machine.run({ timeout: 60_000 })
}

const outByte = (port: number, value: number) => [...movDx(port), ...movAl(value), ...outDx(1)]
const outWord = (port: number, value: number) => [...movDx(port), ...movAx(value), ...outDx(2)]

const PM1_CONTROL = 0x604
const SLEEP_S5 = (5 << 10) | (1 << 13)

describe('how a guest ends', () => {
  test('by ACPI: power-off, with the place where it happened', async () => {
    const outcome = await runToEnd(boot(outWord(PM1_CONTROL, SLEEP_S5), HLT))
    expect(outcome).toMatchObject({ kind: 'power-off', at: { vcpu: 0 } })
    expect(outcome.at.rip).toBeGreaterThan(0n)
    expect(describeOutcome(outcome)).toMatch(/^the guest switched off \(vCPU 0 at 0x/)
  })

  test('by the exit port: with the code that isa-debug-exit makes', async () => {
    expect(await runToEnd(boot(movAl(0x10), outAl(0xf4), HLT))).toMatchObject({ kind: 'exit', value: 0x10, code: 0x21 })
  })

  test('by pvpanic: panic', async () => {
    expect(await runToEnd(boot(outByte(0x505, 1), HLT))).toMatchObject({ kind: 'panic' })
  })

  test('by a page fault that nothing handles: triple fault', async () => {
    // mov rax, [2 ** 40]: nothing is mapped there, and there is no IDT.
    const image = Uint8Array.of(0x48, 0xa1, 0, 0, 0, 0, 0, 1, 0, 0)
    const outcome = await runToEnd({ boot: flat({ image, address: ADDRESS, mode: 'long' }) })
    expect(outcome.kind).toBe('triple-fault')
  })

  test.each([
    ['the keyboard controller', [...movAl(0xfe), ...outAl(0x64)]],
    ['port 0x92', [...movAl(0), ...outAl(0x92), ...movAl(1), ...outAl(0x92)]],
    ['the ACPI reset register', outByte(0x60c, 1)],
    ['port 0xcf9', [...outByte(0xcf9, 2), ...outByte(0xcf9, 6)]],
    ['port 0xcf9', outByte(0xcf9, 0x0e)],
  ])('by %s: reset', async (cause, code) => {
    expect(await runToEnd({ ...boot(code, HLT), onReset: 'end' })).toMatchObject({ kind: 'reset', cause })
  })

  test("port 0xcf9 reads as what it is told, and is not reached by PCI's address register", async () => {
    const address = [...movDx(0xcf8), 0x66, 0xb8, 0, 0x06, 0, 0x80, ...outDx(4)] // mov eax, 0x80000600; out dx, eax
    const guest = [...address, ...outByte(0xcf9, 2), ...movDx(0xcf9), ...inDx(1), ...outAl(0xf4)]
    expect(await runToEnd({ ...boot(guest, HLT), onReset: 'end' })).toMatchObject({ kind: 'exit', value: 2 })
  })

  test('a reset boots again, from the image as it was', async () => {
    // It writes its character, and once it has been here before (a byte in CMOS memory would survive) ends by the exit port.
    const written: string[] = []
    let lives = 1
    const counter: Device = {
      read: (_offset, data) => data.fill(lives),
      write: () => undefined,
      reset: () => (lives += 1),
    }
    const device = { name: 'counter', device: counter, resources: [{ port: 0x1000, length: 1 }] }
    const guest = [
      ...outByte(0x3f8, 0x41),
      ...movDx(0x1000),
      ...inDx(1),
      // cmp al, 2; jae +4; mov al, 0xfe; out 0x64, al
      ...[0x3c, 2, 0x73, 4, ...movAl(0xfe), ...outAl(0x64)],
      ...outAl(0xf4),
    ]
    const output = (bytes: Uint8Array) => written.push(Buffer.from(bytes).toString())
    const outcome = await runToEnd({ ...boot(guest, HLT), devices: [device, serial({ output })] })
    expect(outcome).toMatchObject({ kind: 'exit', value: 2 })
    expect(written.join('')).toBe('AA')
    expect(lives).toBe(2)
  })

  test('the time limit, and stop()', async () => {
    using slow = await Machine.create(boot(CLI, SPIN))
    expect(await slow.run({ timeout: 50 })).toMatchObject({ kind: 'timeout', at: { vcpu: 0 } })
    using stopped = await Machine.create(boot(STI, HLT, SPIN))
    const running = stopped.run()
    await sleep(20)
    await stopped.stop()
    expect((await running).kind).toBe('stopped')
  })

  test('closing ends a run', async () => {
    const machine = await Machine.create(boot(CLI, SPIN))
    const running = machine.run()
    await sleep(20)
    machine.close()
    expect((await running).kind).toBe('stopped')
    expect(machine.closed).toBe(true)
    machine.close()
  })
})

describe('devices', () => {
  test('the real-time clock: reads are answered without JavaScript, with what it would answer', async () => {
    // out 0x70, 0x0d (register D); in al, 0x71; cmp al, 0x80; jne to the exit with AL
    const read = [...movAl(0x0d), ...outAl(0x70), 0xe4, 0x71, 0x3c, 0x80, 0x75, 0x03]
    const again = [...read, ...decCxJnzBack(read.length)]
    using machine = await Machine.create(boot(movCx(READS), again, outAl(0xf4), HLT))
    expect(await machine.run({ timeout: 60_000 })).toMatchObject({ kind: 'exit', value: 0x80 })
    const { latched, posted } = machine.vm.vcpus[0]!.stats!
    expect(posted).toBe(READS)
    expect(latched).toBeGreaterThan(0)
  })

  test('the serial line: what the guest writes, and what it is sent', async () => {
    const input = new PassThrough()
    let output = ''
    // Waits for a character (bit 0 of the line status), adds one, sends it, and ends.
    const wait = [...movDx(0x3fd), ...inDx(1), 0xa8, 1, 0x74, 0xfb]
    const echo = [...movDx(0x3f8), ...inDx(1), 0xfe, 0xc0, ...outDx(1)]
    const machine = await Machine.create({
      ...boot(wait, echo, movAl(0), outAl(0xf4), HLT),
      devices: [serial({ input, output: (bytes) => (output += Buffer.from(bytes).toString()) })],
    })
    input.write('a')
    expect((await machine.run({ timeout: 60_000 })).kind).toBe('exit')
    expect(output).toBe('b')
    machine.close()
  })

  test('a script talks to it, over a reset, until it ends', async () => {
    const question = [...movDx(0x3f8), ...movAl(0x3f), ...outDx(1)]
    const wait = [...movDx(0x3fd), ...inDx(1), 0xa8, 1, 0x74, 0xfb]
    const key = [...movDx(0x3f8), ...inDx(1)]
    const orReset = [0x3c, 0x72, 0x75, 4, ...movAl(0xfe), ...outAl(0x64)] // cmp al, 'r'; jne over
    const orEnd = [0x3c, 0x21, 0x75, 2, ...outAl(0xf4)] // cmp al, '!'; jne over
    const round = [...question, ...wait, ...key, ...orReset, ...orEnd, ...outDx(1), ...outDx(1)]
    const console = new GuestConsole()
    using machine = await Machine.create({
      ...boot(round, [0xeb, 254 - round.length]),
      devices: [serial({ console })],
    })
    const ended = machine.run({ timeout: 60_000 })
    await console.expect('?')
    console.send('a')
    expect((await console.expect('?')).before).toBe('aa')
    console.send('r')
    await console.expect('?')
    console.send('!')
    expect(await ended).toMatchObject({ kind: 'exit', value: 0x21 })
    await expectRejection(console.expect('?'), 'ERR_KVM_GUEST_ENDED', /ended before it wrote "\?"/)
    expect(console.text).toBe('?aa??')
  })

  test('a serial line with two who type, or with a console that is none', () => {
    const input = new PassThrough()
    expectRefusal(() => serial({ input, console: new GuestConsole() }), 'ERR_KVM_INVALID_ARGUMENT', /console/)
    expectRefusal(
      () => serial({ console: Object.create(null) as GuestConsole }),
      'ERR_KVM_INVALID_ARGUMENT',
      /a GuestConsole/,
    )
  })

  test('a device of one’s own, mapped while the machine stands', async () => {
    using machine = await Machine.create(boot(movDx(0x1234), inDx(1), outAl(0xf4), HLT))
    machine.ports.map(0x1234, 1, { read: (_offset, data) => data.fill(7), write: () => undefined })
    expect(await machine.run({ timeout: 60_000 })).toMatchObject({ kind: 'exit', value: 7 })
  })

  test('nobody there: ones, and counted', async () => {
    using machine = await Machine.create(boot(movDx(0x1234), inDx(1), outAl(0xf4), HLT))
    expect(await machine.run({ timeout: 60_000 })).toMatchObject({ kind: 'exit', value: 0xff })
    expect(machine.ports.unclaimed).toMatchObject({ reads: 1, last: { address: 0x1234, length: 1, isWrite: false } })
  })

  test('the power button of a guest that does not listen', async () => {
    using machine = await Machine.create(boot(HLT))
    expect(machine.powerButton()).toBe(false)
  })
})

describe('what is refused', () => {
  const refused: [string, Partial<Record<keyof MachineOptions | 'cpu', unknown>>, RegExp][] = [
    ['no vCPU', { cpus: 0 }, /cpus/],
    ['too many vCPUs', { cpus: 17 }, /cpus/],
    ['memory that is no size', { memory: 'much' }, /memory/],
    ['too little memory', { memory: 4096 }, /memory/],
    ['memory that is not whole pages', { memory: 2 ** 20 + 1 }, /memory/],
    ['nothing to boot', { boot: undefined }, /boot/],
    ['devices that are none', { devices: [{}] }, /devices/],
    ['a misspelled option', { cpu: 2 }, /cpu/],
    ['another onReset', { onReset: 'panic' }, /onReset/],
  ]
  test.each(refused)('%s', async (_name, options, message) => {
    const all = { ...boot(HLT), ...options } as MachineOptions
    const error = await Machine.create(all).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expectRefusal(
      () => {
        throw error
      },
      'ERR_KVM_INVALID_ARGUMENT',
      message,
    )
  })

  test('to run twice at once', async () => {
    using machine = await Machine.create(boot(CLI, SPIN))
    const running = machine.run()
    await expect(machine.run()).rejects.toMatchObject({ code: 'ERR_KVM_RUNNING' })
    await machine.stop()
    await running
  })

  test('an image that does not fit is refused before there is a VM', async () => {
    const image = new Uint8Array(2 ** 20)
    const options = { memory: 2 ** 20, boot: flat({ image, address: ADDRESS, mode: 'real' as const }) }
    await expect(Machine.create(options)).rejects.toMatchObject({ code: 'ERR_KVM_BOOT_IMAGE' })
  })
})
