// Migrations that come to nothing: the machine goes on where it was.
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HostMemory } from 'node-kvm'
import { flat, Machine, openDisk, virtio } from 'node-kvm/machine'
import { Block } from 'node-kvm/virtio'
import { describe, expect, onTestFinished, test } from 'vitest'
import { expectRejection } from '../thrown.js'
import { assemble } from './guests.js'
import { receive, start, streams } from './migrating.js'
import { noUserfault } from './userfault-rights.js'

const descriptors = () => readdirSync('/proc/self/fd').length

/** A message: how long it is, what, and its body. */
function message(type: number, body: Uint8Array = new Uint8Array(), length = body.length): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(length, 0)
  head.writeUInt32LE(type, 4)
  return Buffer.concat([head, body])
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value))
const GREETING = Buffer.concat([Buffer.from('node-kvm migrate'), Buffer.from([1, 0, 0, 0])])
const announce = (memory: object[], more: object = {}) =>
  message(1, json({ id: randomUUID(), architecture: process.arch, memory, ...more }))
const RAM = { kind: 'ram', at: 0, size: 2 ** 20 }
const address = (at: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(at))
  return bytes
}

/** What a target says that is sent these bytes, and nothing more. */
async function send(...bytes: Uint8Array[]) {
  const [source, target] = streams()
  source.resume()
  const received = Machine.receive(target, { maxMemory: '64M', timeout: 2000 })
  source.write(Buffer.concat([...bytes]))
  source.end()
  return received
}

describe('a target takes nothing from whoever sends', () => {
  const cases: [string, Uint8Array[], RegExp][] = [
    ['nothing', [], /has ended/],
    ['something else', [Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')], /no node-kvm/],
    [
      'another version',
      [Buffer.concat([GREETING.subarray(0, 16), Buffer.from([2, 0, 0, 0])]), message(1)],
      /version 2/,
    ],
    ['a half of a greeting', [GREETING.subarray(0, 10)], /has ended/],
    ['an unknown message', [GREETING, message(99)], /number 99/],
    ['a message of 4 GiB', [GREETING, message(1, undefined, 0xffff_ffff)], /4294967295 bytes, more/],
    ["the target's messages", [GREETING, message(18)], /'restored' where 'announce'/],
    ['pages first', [GREETING, message(2, address(0))], /'pages' where 'announce'/],
    ['no JSON', [GREETING, message(1, Buffer.from('{'))], /not JSON/],
  ]
  test.each(cases)('%s', async (_, bytes, problem) => {
    await expectRejection(send(...bytes), 'ERR_KVM_MIGRATION', problem)
  })

  const begun = (...messages: Uint8Array[]) => [GREETING, announce([RAM]), ...messages]
  const page = Buffer.alloc(4096, 1)
  const pages: [string, Uint8Array[], RegExp][] = [
    ['a page behind its memory', begun(message(2, Buffer.concat([address(2 ** 20), page]))), /outside/],
    [
      'a page that begins within, and ends outside',
      begun(message(2, Buffer.concat([address(2 ** 20 - 2048), page]))),
      /outside/,
    ],
    ['a page at an odd address', begun(message(2, Buffer.concat([address(1), page]))), /outside/],
    ['a page at the end of all numbers', begun(message(2, Buffer.concat([Buffer.alloc(8, 0xff), page]))), /outside/],
    ['a half of a page', begun(message(2, Buffer.concat([address(0), page.subarray(1)]))), /size/],
    ['pages without an address', begun(message(2, Buffer.alloc(4))), /too short/],
    [
      'more zeros than a message may have',
      [GREETING, announce([{ ...RAM, size: 2 ** 22 }]), message(3, Buffer.concat([address(0), address(2 ** 21)]))],
      /2097152 bytes of zeros, more than 1048576/,
    ],
    ['zeros without end', begun(message(3, Buffer.concat([address(0), Buffer.alloc(8, 0xff)]))), /zeros|size|outside/],
    ['a round without a number', begun(message(4)), /too short/],
    ['a state that is none', begun(message(5, json([]))), /./],
    ['two machines', begun(announce([RAM])), /'announce' where 'pages'/],
    ['an end before the state', begun(message(6)), /'go' where/],
    ['a message that is cut off', begun(message(2, page, 8000)), /has ended/],
    ['more memory than it takes', [GREETING, announce([{ ...RAM, size: 2 ** 27 }])], /maxMemory/],
    ['more memory than there is', [GREETING, announce([{ ...RAM, size: 2 ** 51 }])], /maxMemory/],
    ['memory in pieces of other sizes', [GREETING, announce([{ ...RAM, size: 5000 }])], /multiple/],
    ['memory that overlaps', [GREETING, announce([RAM, RAM])], /overlap/],
    ['another architecture', [GREETING, announce([RAM], { architecture: 'vax' })], /architecture/],
    ['an id that is none', [GREETING, announce([RAM], { id: '..' })], /id/],
  ]
  test.each(pages)('and not %s', async (_, bytes, problem) => {
    const error = await send(...bytes).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_KVM_(MIGRATION|INVALID_STATE)$/) as string })
    expect((error as Error).message).toMatch(problem)
  })

  test('a storm of zeros lets others have their turn', async () => {
    const zeros = message(3, Buffer.concat([address(0), address(2 ** 20)]))
    let [turns, over] = [0, false]
    const turn = () => {
      turns++
      if (!over) setImmediate(turn)
    }
    turn()
    const storm = Buffer.concat(Array.from({ length: 500 }, () => zeros))
    await expectRejection(send(GREETING, announce([RAM]), storm), 'ERR_KVM_MIGRATION', /has ended/)
    over = true
    expect(turns).toBeGreaterThan(500)
  })

  test('noise, however much of it', async () => {
    for (let length = 1; length < 2 ** 18; length *= 7) {
      await expectRejection(send(GREETING, randomBytes(length)), 'ERR_KVM_MIGRATION')
    }
  })

  test('the machine of another source, cut off anywhere, or changed', { timeout: 120_000 }, async () => {
    const { machine } = await start()
    await machine.pause()
    const [source, target] = streams()
    const bytes: Buffer[] = []
    const write = source._write.bind(source)
    source._write = (chunk: Buffer, encoding, done) => {
      bytes.push(chunk)
      write(chunk, encoding, done)
    }
    await Promise.all([machine.migrate(source), receive(target, {}, [], { runs: false })])
    const all = Buffer.concat(bytes)
    const state = all.lastIndexOf('{"version"')
    for (const length of [30, 200, 5000, state - 8, state, state + 1, state + 5000, all.length - 9]) {
      await expectRejection(send(all.subarray(0, length)), 'ERR_KVM_MIGRATION')
    }
    // The same id a second time.
    await expectRejection(send(all), 'ERR_KVM_MIGRATION', /with this id/)
  })
})

test('nothing is left behind by migrations that come to nothing', { timeout: 120_000 }, async () => {
  const { machine, listener } = await start()
  const once = async (timeout: number) => {
    const [source, target] = streams()
    const refused = Machine.receive(target, { devices: () => [], timeout }).catch(() => undefined)
    await expectRejection(machine.migrate(source), 'ERR_KVM_MIGRATION', /listener/)
    await refused
  }
  await once(1000)
  const before = descriptors()
  for (let count = 0; count < 50; count++) await once(1000)
  expect(descriptors()).toBe(before)
  await listener.hear(10)
  expect(listener.isWhole()).toBe(true)
})

/** Writes to as many pages as it has, again and again: mov es, ax; inc dword [es:0]; and the next page. */
const WRITES = assemble(
  // mov ax, 0x1000; again: mov es, ax; inc dword [es:0]; add ax, 0x100; jnz again; mov eax, [0x3000]; inc; out; jmp.
  [0xb8, 0x00, 0x10, 0x8e, 0xc0, 0x26, 0x66, 0xff, 0x06, 0x00, 0x00, 0x05, 0x00, 0x01, 0x3d, 0x00, 0x90, 0x75, 0xf0],
  [0x66, 0xff, 0x06, 0x00, 0x30, 0x66, 0xa1, 0x00, 0x30, 0xba, 0x60, 0x06, 0x66, 0xef, 0xeb, 0xdd],
)

test('a guest that writes faster than the stream carries stays, and its writes are tracked no longer', async () => {
  const { machine, listener } = await start({ boot: flat({ image: WRITES, address: 0x8000, mode: 'real' }) })
  const [source, target] = streams(undefined, 5)
  const refused = expectRejection(receive(target), 'ERR_KVM_MIGRATION', /not moved, and goes on here/)
  const rounds: number[] = []
  const error = await expectRejection(
    machine.migrate(source, { downtime: 0, rounds: 4, progress: ({ round }) => rounds.push(round) }),
    'ERR_KVM_MIGRATION_SLOW',
    /after 4 rounds/,
  )
  await refused
  expect(error.operands).toMatchObject({ rounds: 4, downtime: 0 })
  expect(rounds).toEqual([1, 2, 3, 4])
  expect(machine.vm.memory.regions.filter(({ logDirtyPages }) => logDirtyPages)).toEqual([])
  await listener.hear(10)
  expect(listener.isWhole()).toBe(true)
})

test.skipIf(noUserfault !== undefined)('memory that still arrives is not moved', async () => {
  const memory = HostMemory.allocate({ size: 0x1000, backing: 'memfd' })
  onTestFinished(() => {
    memory.close()
  })
  const { machine, listener } = await start({
    pausedClock: 'run',
    memoryMap: { regions: [{ at: 0x100_0000, memory }] },
  })
  const fault = memory.userfault({ missing: true }, (missing) => missing.zero())
  const [source, target] = streams()
  const refused = expectRejection(receive(target), 'ERR_KVM_MIGRATION', /userfault/)
  await expectRejection(machine.migrate(source), 'ERR_KVM_USERFAULT', /close the userfault/)
  await refused
  fault.close()
  await listener.hear(10)
})

test('a signal gives it up, and the guest goes on', async () => {
  const { machine, listener } = await start()
  for (const after of [0, 1]) {
    const [source, target] = streams()
    const refused = expectRejection(receive(target), 'ERR_KVM_MIGRATION')
    const abort = new AbortController()
    if (after === 0) abort.abort(new Error('no'))
    const progress = () => {
      abort.abort(new Error('no'))
    }
    await expect(machine.migrate(source, { signal: abort.signal, progress })).rejects.toThrow('no')
    await refused
    await listener.hear(10)
  }
  expect(listener.isWhole()).toBe(true)
  const [, target] = streams()
  await expect(Machine.receive(target, { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no')
})

test('a peer that is silent is given up', async () => {
  const { machine, listener } = await start()
  const [source, target] = streams()
  await expectRejection(machine.migrate(source, { timeout: 50 }), 'ERR_KVM_MIGRATION', /silent for 50 ms/)
  target.destroy()
  const [, other] = streams()
  await expectRejection(Machine.receive(other, { timeout: 50 }), 'ERR_KVM_MIGRATION', /silent for 50 ms/)
  await listener.hear(10)
})

test('two at once are refused, and rewinding, and a machine that has ended', async () => {
  const { machine, run } = await start()
  const [source, target] = streams()
  const moving = machine.migrate(source)
  const [second] = streams()
  await expectRejection(machine.migrate(second), 'ERR_KVM_RUNNING', /being moved/)
  await expectRejection(machine.rewind(), 'ERR_KVM_RUNNING', /being moved/)
  await Promise.all([moving, receive(target)])
  await run
  await expectRejection(machine.migrate(second), 'ERR_KVM_GUEST_ENDED')
})

test.each(['close', 'stop'] as const)('a machine that is told to %s() meanwhile is nowhere', async (what) => {
  const { machine, run } = await start()
  const [source, target] = streams()
  const refused = expectRejection(receive(target), 'ERR_KVM_MIGRATION')
  const code = what === 'close' ? 'ERR_KVM_CLOSED' : 'ERR_KVM_GUEST_ENDED'
  await expectRejection(machine.migrate(source, { progress: () => void machine[what]() }), code)
  expect(await run).toMatchObject({ kind: 'stopped' })
  await refused
})

test.each([
  [{ downtime: -1 }, /downtime/],
  [{ rounds: 0 }, /rounds/],
  [{ timeout: 0 }, /timeout/],
  [{ progress: 1 }, /progress/],
  [{ reconnect: 1 }, /reconnect/],
  [{ signal: 1 }, /signal/],
  [{ fast: true }, /no option 'fast'/],
])('options that are wrong are refused: %j', async (options, problem) => {
  const { machine } = await start()
  const [source] = streams()
  await expectRejection(machine.migrate(source, options as object), 'ERR_KVM_INVALID_ARGUMENT', problem)
  await expectRejection(machine.migrate(1 as never), 'ERR_KVM_INVALID_ARGUMENT', /Duplex/)
  await expectRejection(Machine.receive(source, { devices: [] as never }), 'ERR_KVM_INVALID_ARGUMENT', /function/)
})

describe('a disk that both can reach', () => {
  function file(): string {
    const folder = mkdtempSync(join(tmpdir(), 'node-kvm-migration-'))
    onTestFinished(() => {
      rmSync(folder, { recursive: true })
    })
    const path = join(folder, 'disk')
    writeFileSync(path, Buffer.alloc(65_536))
    return path
  }

  test('is locked by the one that runs', async () => {
    const path = file()
    const { machine } = await start({ devices: [virtio(new Block(await openDisk(path)))] })
    const [source, target] = streams()
    const devices = async () => [virtio(new Block(await openDisk(path)))]
    const { machine: arrived } = (await Promise.all([machine.migrate(source), receive(target, {}, [], { devices })]))[1]
    await expectRejection(openDisk(path), 'ERR_KVM_DISK', /in use/)
    arrived.close()
  })

  test('is locked again where the machine stays', async () => {
    const path = file()
    const { machine, listener } = await start({ devices: [virtio(new Block(await openDisk(path)))] })
    const [source, target] = streams()
    let free = false
    const devices = async () => {
      const disk = await openDisk(path)
      free = true
      await disk.close()
      throw new Error('no')
    }
    const refused = expect(receive(target, {}, [], { devices })).rejects.toThrow('no')
    await expectRejection(machine.migrate(source), 'ERR_KVM_MIGRATION', /says: no/)
    await refused
    expect(free).toBe(true)
    await expectRejection(openDisk(path), 'ERR_KVM_DISK', /in use/)
    await listener.hear(10)
  })

  test('that somebody else has taken meanwhile ends the run', async () => {
    const path = file()
    const { machine, run } = await start({ devices: [virtio(new Block(await openDisk(path)))] })
    const [source, target] = streams()
    const devices = async () => {
      const disk = await openDisk(path)
      onTestFinished(() => disk.close())
      throw new Error('no')
    }
    const refused = expect(receive(target, {}, [], { devices })).rejects.toThrow('no')
    await expectRejection(machine.migrate(source), 'ERR_KVM_MIGRATION')
    await refused
    await expectRejection(run, 'ERR_KVM_DEVICE_FAILED', /in use/)
  })
})
