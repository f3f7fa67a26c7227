// What a machine says of guests that have died: which function it was, who called it, and what it did last.
import { setTimeout as sleep } from 'node:timers/promises'

import type { Device } from 'node-kvm'
import { formatPostMortem, LinearMemory, parseSymbols, type PostMortem, translate } from 'node-kvm/inspect'
import { flat, Machine, type MachineOptions, serial } from 'node-kvm/machine'
import { describe, expect, test } from 'vitest'

import { type CallChain, callChain, type Code } from './call-chain.js'
import { assemble, CLI, FWAIT, HLT, inDx, load64, movAl, movDx, outAl, outDx, SPIN } from './guests.js'
import { kind, longModeMachine, run } from './machine.js'

const EXIT_PORT = 0xf4
const PVPANIC_PORT = 0x505
const COM1 = 0x3f8
/** Nothing is mapped there. */
const UNMAPPED = 2 ** 40
const ADDRESS = 0x8000

// 64-bit code is the same as 16-bit code where only bytes are moved, and movDx is not among it.
const movEdx = (value: number): Code => [0xba, value & 0xff, value >> 8, 0, 0]
const print = (text: string): Code => [
  ...movEdx(COM1),
  ...Array.from(text).flatMap((character) => [...movAl(character.charCodeAt(0)), ...outDx(1)]),
]

const real = (...parts: Code[]): Pick<MachineOptions, 'boot'> => ({
  boot: flat({ image: assemble(...parts), address: ADDRESS, mode: 'real' }),
})

async function postMortemOf(options: MachineOptions, chain?: CallChain): Promise<PostMortem> {
  using machine = await Machine.create(options)
  await machine.run({ timeout: 60_000 })
  return await machine.postMortem(chain === undefined ? {} : { symbols: parseSymbols(chain.systemMap) })
}

const dying = (chain: CallChain) => postMortemOf({ ...chain.options }, chain)
const callers = ({ vcpus }: PostMortem) => vcpus[0]?.cpu?.stack.map(({ symbol, from }) => [symbol, from])
const current = ({ vcpus }: PostMortem) => vcpus[0]?.cpu?.code.find((instruction) => instruction.current)

describe('who called the function that died', () => {
  // The processor of an AMD host keeps nothing of a triple fault.
  test.runIf(kind !== 'amd')('a triple fault, by frame pointers', async () => {
    const report = await dying(callChain(load64(UNMAPPED)))
    expect(report).toMatchObject({ outcome: 'triple-fault', vcpu: 0 })
    expect(current(report)).toMatchObject({ symbol: 'inner+0x4', text: 'mov rax, [0x10000000000]' })
    expect(callers(report)).toEqual([
      ['inner+0x4', 'rip'],
      ['middle+0x9', 'frame'],
      ['outer+0x9', 'frame'],
      ['start+0xe', 'frame'],
    ])
    expect(report.vcpus[0]?.cpu?.control.cr2).toBe('0x10000000000')
    expect(report.exits.at(-1)).toEqual({ vcpu: 0, exit: 'shutdown', times: 1 })
  })

  test.runIf(kind === 'amd')('a triple fault of which the processor keeps nothing', async () => {
    const { outcome, vcpus } = await dying(callChain(load64(UNMAPPED)))
    expect(outcome).toBe('triple-fault')
    expect(vcpus[0]?.problem).toMatch(/this processor does not keep that of a triple fault/)
    expect(vcpus[0]?.cpu?.mode).toBe('real mode')
  })

  test('a host whose KVM emulates instructions is named as a possible reason', async () => {
    const report = await dying(callChain(load64(UNMAPPED)))
    const blamed =
      kind === 'pvm' ? (expect.stringMatching(/^This host's KVM \(kvm_pvm\).*npm run lab/) as string) : undefined
    expect(report.host).toEqual(blamed)
    expect(formatPostMortem(report).split('\n')[1]).toBe(report.host ?? '')
  })

  test('the exit port: the access is complete', async () => {
    const report = await dying(callChain([...movAl(7), ...outAl(EXIT_PORT)]))
    expect(report).toMatchObject({
      outcome: 'exit',
      summary: expect.stringMatching(/^the guest ended with code 15 /) as string,
    })
    expect(report).not.toHaveProperty('host')
    expect(current(report)).toMatchObject({ symbol: 'inner+0x8', text: 'pop rbp' })
    expect(report.vcpus[0]?.cpu?.code.map(({ text }) => text).slice(2, 4)).toEqual(['mov al, 0x7', 'out 0xf4, al'])
    expect(callers(report)?.map(([symbol]) => symbol)).toEqual(['inner+0x8', 'middle+0x9', 'outer+0x9', 'start+0xe'])
    expect(report.exits).toEqual([{ vcpu: 0, exit: 'io out port 0xf4 size 1 count 1 data 07', times: 1 }])
  })

  test('without frame pointers, what is on the stack', async () => {
    const report = await dying(
      callChain([...movEdx(PVPANIC_PORT), ...movAl(1), ...outDx(1), ...[0x90]], { frames: false }),
    )
    expect(report.outcome).toBe('panic')
    expect(callers(report)).toEqual([
      ['inner+0x8', 'rip'],
      ['middle+0x5', 'scan'],
      ['outer+0x5', 'scan'],
      ['start+0x11', 'scan'],
    ])
  })

  test.runIf(kind !== 'amd')('a jump to where nothing is mapped', async () => {
    const jump: Code = [0x48, 0x31, 0xc0, 0x48, 0xff, 0xc8, 0xff, 0xe0] // xor rax, rax; dec rax; jmp rax
    const report = await dying(callChain(jump))
    const cpu = report.vcpus[0]?.cpu
    expect(cpu).toMatchObject({
      code: [],
      codeProblem: expect.stringMatching(/^0xffffffffffffffff is not mapped: PML4 entry 511/) as string,
    })
    expect(callers(report)?.map(([symbol]) => symbol)).toEqual([undefined, 'middle+0x9', 'outer+0x9', 'start+0xe'])
  })

  test('without symbols: addresses', async () => {
    const chain = callChain([...movAl(7), ...outAl(EXIT_PORT)])
    const report = await postMortemOf(chain.options)
    const { inner, middle, outer, start } = chain.addresses
    expect(report.vcpus[0]?.cpu?.stack).toEqual(
      [inner + 8, middle + 9, outer + 9, start + 0xe].map((address, index) => ({
        address: `0x${address.toString(16)}`,
        from: index === 0 ? 'rip' : 'frame',
      })),
    )
  })
})

describe('what the guest did last', () => {
  test('the last lines of the console, with nothing that a terminal would obey', async () => {
    const chain = callChain([...print('one\r\n\x1b[31mtwo\n'), ...movAl(0), ...outAl(EXIT_PORT)])
    let output = ''
    const device = serial({ output: (bytes) => (output += Buffer.from(bytes).toString()) })
    const report = await postMortemOf({ ...chain.options, devices: [device] }, chain)
    expect(report.console).toEqual(['one', '\\x1b[31mtwo'])
    expect(output).toBe('one\r\n\x1b[31mtwo\n')
  })

  test('the last exits, the same ones counted', async () => {
    // mov cx, 300; again: in al, dx; loop again
    const poll = [...movDx(0x1234), 0xb9, 300 & 0xff, 300 >> 8, ...inDx(1), 0xe2, 0xfd]
    const report = await postMortemOf(real(poll, movAl(1), outAl(EXIT_PORT)))
    expect(report.exits.map(({ exit, times }) => [exit, times])).toEqual([
      ['io in port 0x1234 size 1 count 1', 300],
      ['io out port 0xf4 size 1 count 1 data 01', 1],
    ])
  })

  // Only a host that emulates instructions fails to do so here.
  test.runIf(kind === 'pvm')('an instruction that KVM cannot emulate', async () => {
    const report = await postMortemOf(real(FWAIT))
    expect(report.outcome).toBe('kvm-error')
    expect(current(report)).toMatchObject({ address: '0x8000', bytes: '9b' })
    expect(report.exits.at(-1)?.exit).toMatch(/^internal-error .* suberrorName emulation/)
  })
})

describe('when', () => {
  test('after the time limit, of every vCPU', async () => {
    using machine = await Machine.create({ ...real(CLI, SPIN), cpus: 2 })
    await machine.run({ timeout: 50 })
    const { outcome, vcpus } = await machine.postMortem()
    expect([outcome, vcpus.map(({ id, mpState }) => [id, mpState])]).toEqual([
      'timeout',
      [
        [0, 'runnable'],
        [1, 'uninitialized'],
      ],
    ])
    expect(vcpus[0]?.cpu?.code[0]).toMatchObject({ address: '0x8001', text: 'jmp 0x8001', current: true })
  })

  test('before the run, and while it is paused, but not while it runs', async () => {
    using machine = await Machine.create(real(CLI, SPIN))
    const before = await machine.postMortem()
    expect(before).not.toHaveProperty('outcome')
    expect([before.summary, current(before)?.text]).toEqual(['the run has no outcome', 'cli'])
    const running = machine.run()
    await expect(machine.postMortem()).rejects.toMatchObject({ code: 'ERR_KVM_RUNNING' })
    await sleep(20)
    await machine.pause()
    expect(current(await machine.postMortem())?.text).toBe('jmp 0x8001')
    machine.resume()
    await machine.stop()
    expect((await running).kind).toBe('stopped')
    expect((await machine.postMortem()).outcome).toBe('stopped')
  })

  test('after the machine was closed there is nothing left', async () => {
    const machine = await Machine.create(real(HLT))
    machine.close()
    await expect(machine.postMortem()).rejects.toMatchObject({ code: 'ERR_KVM_CLOSED' })
  })

  test('after a reset that boots again, only the new life counts', async () => {
    let lives = 1
    const counter: Device = { read: (_, data) => data.fill(lives), write: () => undefined, reset: () => (lives += 1) }
    const device = { name: 'counter', device: counter, resources: [{ port: 0x1000, length: 1 }] }
    // Prints its number; in the first life it resets the machine.
    const code = [...movDx(0x1000), ...inDx(1), 0x04, 0x30, ...movDx(COM1), ...outDx(1)]
    const reset = [0x3c, 0x32, 0x73, 4, ...movAl(0xfe), ...outAl(0x64)]
    const report = await postMortemOf({ ...real(code, reset, outAl(EXIT_PORT)), devices: [device, serial()] })
    expect([lives, report.outcome, report.console]).toEqual([2, 'exit', ['2']])
    expect(report.exits.map(({ exit }) => exit)).toEqual([
      'io in port 0x1000 size 1 count 1',
      'io out port 0x3f8 size 1 count 1 data 32 (posted)',
      'io out port 0xf4 size 1 count 1 data 32',
    ])
  })

  test('after a device has thrown', async () => {
    using machine = await Machine.create(real(movAl(1), outAl(0x10), HLT))
    machine.ports.map(0x10, 1, {
      read: () => undefined,
      write: () => {
        throw new Error('broken')
      },
    })
    await expect(machine.run()).rejects.toThrow('broken')
    const report = await machine.postMortem()
    expect(report.exits.at(-1)?.exit).toBe('io out port 0x10 size 1 count 1 data 01')
    expect(current(report)?.text).toBe('hlt')
  })

  test('wrong options are refused', async () => {
    using machine = await Machine.create(real(HLT))
    const code = 'ERR_KVM_INVALID_ARGUMENT'
    await expect(machine.postMortem({ symbols: 'System.map' as never })).rejects.toMatchObject({ code })
    await expect(machine.postMortem({ symbol: undefined } as never)).rejects.toMatchObject({ code })
  })
})

test('it is plain data, and has a text', async () => {
  const report = await dying(callChain([...movAl(7), ...outAl(EXIT_PORT)]))
  expect(JSON.parse(JSON.stringify(report))).toEqual(report)
  const text = formatPostMortem(report)
  expect(text).toMatch(
    /^the guest ended with code 15 \(vCPU 0 at 0x\w+\)\n\nvCPU 0: 64-bit mode, privilege level 0, runnable\n/,
  )
  expect(text).toMatch(/\n {2}-> 0x\w+ inner\+0x8 .*pop rbp\n/)
  expect(text).toMatch(/\n {6}0x\w+ start\+0xe\n/)
})

test('the processor reads where the walk in software says', () => {
  // mov rax, [address]; hlt: from a 4 KiB page, a 2 MiB page and, where the processor has them, a 1 GiB page.
  const addresses = [0x1_2345_6008, 0x4000_0010, 0x20_0018]
  for (const address of addresses) {
    using guest = longModeMachine(assemble(load64(address), HLT), { size: 0x40_0000 })
    const { memory } = guest.vm
    const [PRESENT, LARGE] = [0x3n, 0x80n]
    // longModeMachine() maps the GiB from 0 and from 4 GiB by tables at 0x3000 (PDPT) and 0x4000.
    memory.writeUint64(0x3000 + 8, 0x10_0000n | PRESENT)
    memory.writeUint64(0x10_0000, 0x20_0000n | PRESENT | LARGE)
    memory.writeUint64(0x5000 + ((0x2345_6008 >> 21) & 511) * 8, 0x10_1000n | PRESENT)
    memory.writeUint64(0x10_1000 + ((0x2345_6008 >> 12) & 511) * 8, 0x30_0000n | PRESENT)
    for (let at = 0x20_0000; at < 0x40_0000; at += 8) memory.writeUint64(at, BigInt(at))
    const sregs = guest.vcpu.getSregs()
    const walked = translate(memory.dma, sregs, BigInt(address))
    expect(run(guest.vcpu).reason).toBe('hlt')
    const { rax } = guest.vcpu.getRegs()
    expect(walked).toMatchObject({ mapped: true, address: Number(rax), writable: true, executable: true })
    expect(new LinearMemory(memory.dma, sregs).readNumber(BigInt(address), 8)).toBe(rax)
  }
})
