// Posted writes to one address without pause: the kernel gathers them, and nobody sees a difference but in the time.
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { PATIENCE } from './amounts.js'
import {
  assemble,
  CLI,
  decCxJnzBack,
  HLT,
  INC_AX,
  jumpBack,
  movAx,
  movCx,
  movDx,
  movEs,
  movSi,
  outAl,
  outDx,
  repOuts,
  SPIN,
  store,
  storeByte,
} from './guests.js'
import { machine, type Machine, START } from './machine.js'
import { addVcpu, block, runToHalt, until } from './threaded.js'
import { post } from './cells.js'

const PORT = 0x100
const COUNT = 5000
const RING = 1024
const options = { timeout: PATIENCE }
const counting = (start: number, count: number) => Array.from({ length: count }, (_, index) => start + index)

/** Writes 0 to COUNT - 1 to the port, 16 bits each. */
const COUNTER = assemble(movCx(COUNT), movAx(0), movDx(PORT), outDx(2), INC_AX, decCxJnzBack(2))
const FOR_EVER = assemble(movAx(0), movDx(PORT), outDx(2), INC_AX, jumpBack(2))
const AFTER_WRITE = BigInt(START + assemble(movAx(0), movDx(PORT), outDx(2)).length)
const code = (program: Uint8Array): number[] => [...program]

/** What the guest writes to the port, as numbers. */
function collect({ vm }: Machine, port = PORT) {
  const values: number[] = []
  const range = post(vm, { port, length: 2 }, (_offset, data) => values.push(data[0]! + 256 * data[1]!))
  return { values, range }
}

/** The event loop stands still until so many writes are waiting for it. */
function blockUntilPosted({ vcpu }: Machine, count: number) {
  while ((vcpu.stats?.posted ?? 0) < count) block(1)
}

/** Resolves when the guest has posted so much that the kernel gathers its writes. */
const untilDense = ({ vcpu }: Machine) => until(() => (vcpu.stats?.posted ?? 0) > RING)

describe('all arrive, in order, before the next exit', () => {
  test('of a port', options, async () => {
    using m = machine(assemble(code(COUNTER), outAl(9), HLT))
    const { values } = collect(m)
    let heard = -1
    const finished = runToHalt(m.vcpu, () => void (heard = values.length))
    blockUntilPosted(m, 700)
    expect(m.vcpu.stats!.exits.io).toBeLessThan(100)
    await finished
    expect(values).toEqual(counting(0, COUNT))
    expect(heard).toBe(COUNT)
    expect(m.vcpu.stats!.posted).toBe(COUNT)
  })

  test('of memory, with writes narrower than those before', options, async () => {
    const rounds = 500
    const round = assemble(store(4, 0x10), storeByte(0x12, 7))
    const program = assemble(movEs(0x2000), movCx(COUNT), store(4, 0x10), decCxJnzBack(5), movCx(rounds), code(round))
    using m = machine(assemble(code(program), decCxJnzBack(round.length), HLT))
    const seen = new Map<string, number>()
    post(m.vm, { address: 0x2_0000, length: 0x1000 }, (offset, { length }) => {
      const what = `${length} at ${offset}`
      seen.set(what, (seen.get(what) ?? 0) + 1)
    })
    const finished = runToHalt(m.vcpu)
    blockUntilPosted(m, 700)
    expect(m.vcpu.stats!.exits.mmio).toBeLessThan(100)
    await finished
    expect(Object.fromEntries(seen)).toEqual({ '4 at 16': COUNT + rounds, '1 at 18': rounds })
  })
})

test('a guest that waits for an answer to each write is not kept waiting by the kernel', options, async () => {
  // again: out dx, ax; wait: cmp [0x4000], ax; jne wait; inc ax; jmp again
  using m = machine(assemble(movAx(0), movDx(PORT), outDx(2), [0x39, 0x06, 0, 0x40, 0x75, 0xfa], INC_AX, jumpBack(8)))
  m.vm.memory.write(0x4000, Uint8Array.of(0xff, 0xff))
  let answered = 0
  post(m.vm, { port: PORT, length: 2 }, (_offset, data) => {
    answered++
    m.vm.memory.write(0x4000, data)
  })
  const finished = m.vcpu.start(() => undefined)
  await until(() => answered >= 500)
  await m.vcpu.stop()
  await finished
  expect(m.vcpu.stats!.exits.io).toBe(m.vcpu.stats!.posted)
})

test('string output', options, async () => {
  const strings = assemble(movSi(0x2000), movCx(1000), repOuts(1))
  using m = machine(assemble(movDx(PORT), code(strings), code(strings), code(strings), HLT))
  const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 251)
  m.vm.memory.write(0x2000, bytes)
  const values: number[] = []
  post(m.vm, { port: PORT, length: 1 }, (_offset, data) => values.push(data[0]!))
  await runToHalt(m.vcpu)
  expect(values).toEqual([...bytes, ...bytes, ...bytes])
})

describe('the last ones are heard although nothing else happens', options, () => {
  test.each([
    ['runs on', SPIN, {}],
    ['halts', [...CLI, ...HLT], { irqchip: true }],
  ] as const)('when the guest %s', async (_what, end, machineOptions) => {
    using m = machine(assemble(code(COUNTER), end), machineOptions)
    const { values } = collect(m)
    const finished = m.vcpu.start(() => undefined)
    await until(() => values.length === COUNT)
    expect(values).toEqual(counting(0, COUNT))
    await m.vcpu.stop()
    await finished
  })
})

test('and when they have become few, a halted guest costs no CPU time', options, async () => {
  using m = machine(assemble(code(COUNTER), CLI, HLT), { irqchip: true })
  const { values } = collect(m)
  const finished = m.vcpu.start(() => undefined)
  await until(() => values.length === COUNT)
  await sleep(1500)
  const { notified } = m.vcpu.stats!
  const before = process.cpuUsage()
  await sleep(1000)
  const { user, system } = process.cpuUsage(before)
  expect(user + system).toBeLessThan(500_000) // what polls takes a second, or two
  expect(m.vcpu.stats!.notified).toBe(notified)
  await m.vcpu.stop()
  await finished
})

test('pause() resolves when all that the guest has written is there; and again', options, async () => {
  using m = machine(FOR_EVER)
  const { values } = collect(m)
  const finished = m.vcpu.start(() => undefined)
  for (let round = 0; round < 5; round++) {
    const target = values.length + RING
    await until(() => values.length > target)
    await m.vcpu.pause()
    const { rip, rax } = m.vcpu.getRegs()
    const written = rip === AFTER_WRITE ? rax + 1n : rax
    expect(values.length % 0x1_0000).toBe(Number(written & 0xffffn))
    m.vcpu.resume()
  }
  await m.vcpu.stop()
  await finished
  expect(values).toEqual(counting(0, values.length).map((value) => value % 0x1_0000))
})

test('a full ring makes the guest wait; nothing is lost', options, async () => {
  using m = machine(assemble(code(COUNTER), HLT))
  const { values } = collect(m)
  const finished = runToHalt(m.vcpu)
  blockUntilPosted(m, RING)
  block(20)
  expect(m.vcpu.stats!.posted).toBe(RING)
  await finished
  expect(values).toEqual(counting(0, COUNT))
})

describe('what comes between is honoured', options, () => {
  test('a closed range: later writes exit', async () => {
    using m = machine(FOR_EVER)
    const { values, range } = collect(m)
    const exits: number[] = []
    const finished = m.vcpu.start((exit) => {
      if (exit.reason !== 'io') throw new Error(`unexpected: ${exit.reason}`)
      if (exits.push(exit.data[0]! + 256 * exit.data[1]!) === 100) void m.vcpu.stop()
    })
    await untilDense(m)
    range.close()
    const heard = values.length
    await finished
    expect(values.length).toBe(heard)
    expect(exits).toEqual(counting(exits[0]!, 100).map((value) => value % 0x1_0000))
  })

  test('an ioeventfd at the same port, made later', async () => {
    using m = machine(FOR_EVER)
    const { values } = collect(m)
    const finished = m.vcpu.start(() => undefined)
    await untilDense(m)
    let rung = false
    m.vm.ioeventfd({ port: PORT, length: 2 }, () => (rung = true))
    await until(() => rung)
    await sleep(20)
    const heard = values.length
    await sleep(20)
    expect(values.length).toBe(heard)
    await m.vcpu.stop()
    await finished
  })

  test('a vCPU without a thread: its writes are exits', async () => {
    using m = machine(FOR_EVER)
    m.vm.memory.write(0x3000, assemble(movCx(500), movDx(PORT), outDx(2), decCxJnzBack(1), HLT))
    const { values } = collect(m)
    const finished = m.vcpu.start(() => undefined)
    await untilDense(m)
    const other = addVcpu(m, 1, 0x3000)
    let exits = 0
    for (let exit = other.run(); exit.reason === 'io'; exit = other.run()) exits++
    expect(exits).toBe(500)
    await m.vcpu.stop()
    await finished
    expect(values).toEqual(counting(0, values.length).map((value) => value % 0x1_0000))
  })

  test.each(['the VM', 'the vCPU'])('closing %s', async (what) => {
    using m = machine(FOR_EVER)
    const { values } = collect(m)
    const finished = m.vcpu.start(() => undefined)
    await untilDense(m)
    if (what === 'the VM') m.vm.close()
    else m.vcpu.close()
    const heard = values.length
    await finished
    await sleep(5)
    expect(values.length).toBe(heard)
  })

  test('a thread that ends, and a new one', async () => {
    using m = machine(FOR_EVER)
    const { values } = collect(m)
    for (let round = 0; round < 3; round++) {
      const finished = m.vcpu.start(() => undefined)
      const target = values.length + 2 * RING
      await until(() => values.length > target)
      await m.vcpu.stop()
      await finished
    }
    expect(values).toEqual(counting(0, values.length).map((value) => value % 0x1_0000))
  })
})

describe('of two vCPUs', options, () => {
  test('each is in order', async () => {
    using m = machine(assemble(code(COUNTER), HLT))
    m.vm.memory.write(
      0x3000,
      assemble(movCx(COUNT), movAx(0x8000), movDx(PORT), outDx(2), INC_AX, decCxJnzBack(2), HLT),
    )
    const { values } = collect(m)
    await Promise.all([runToHalt(m.vcpu), runToHalt(addVcpu(m, 1, 0x3000))])
    expect(values.filter((value) => value < 0x8000)).toEqual(counting(0, COUNT))
    expect(values.filter((value) => value >= 0x8000)).toEqual(counting(0x8000, COUNT))
  })

  test.each(['post to one port', 'post to two ports', 'post, and exit'])(
    'that take turns and %s, all are in the order of the writes',
    async (what) => {
      const turns = 400
      const [TURN, VALUE] = [0x4000, 0x4002]
      const bytes16 = (value: number) => [value & 0xff, value >> 8]
      /** Waits for its turn, writes 20 times, and gives the turn away. */
      const player = (me: number, port: number) => {
        const write = assemble(outDx(2), INC_AX)
        const round = assemble(
          [0x80, 0x3e, ...bytes16(TURN), me, 0x75, 0xf9], // wait: cmp byte [TURN], me; jne wait
          [0xa1, ...bytes16(VALUE)], // mov ax, [VALUE]
          ...Array.from({ length: 20 }, () => code(write)),
          [0xa3, ...bytes16(VALUE)], // mov [VALUE], ax
          [0xc6, 0x06, ...bytes16(TURN), 1 - me], // mov byte [TURN], 1 - me
        )
        return assemble(movCx(turns), movDx(port), code(round), decCxJnzBack(round.length), HLT)
      }
      using m = machine(player(0, PORT))
      const { values } = collect(m)
      const second = what === 'post to one port' ? PORT : PORT + 2
      if (what === 'post to two ports') post(m.vm, { port: second, length: 2 }, hear)
      function hear(_offset: number, data: Uint8Array) {
        values.push(data[0]! + 256 * data[1]!)
      }
      m.vm.memory.write(0x3000, player(1, second))
      await Promise.all([
        runToHalt(m.vcpu),
        runToHalt(addVcpu(m, 1, 0x3000), (exit) => {
          if (exit.reason === 'io') hear(0, exit.data)
        }),
      ])
      expect(values).toEqual(counting(0, 2 * turns * 20))
    },
  )
})
