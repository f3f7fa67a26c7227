import { describe, expect, test } from 'vitest'

import { FW_CFG_KEYS, FwCfg, type FwCfgOptions } from '../../../lib/devices/index.js'
import { plainMemory } from '../../../lib/memory/plain-memory.js'
import { expectRefusal } from '../../thrown.js'
import { registers } from './access.js'

const [SELECTOR, DATA, DMA_HIGH, DMA_LOW] = [0, 1, 4, 8]
const [ERROR, READ, SKIP, SELECT, WRITE] = [1, 2, 4, 8, 16]
const RAM = 0x1_0000

function setUp(options: FwCfgOptions = {}) {
  const memory = plainMemory({ at: 0, size: RAM })
  const device = new FwCfg({ memory, ramSize: RAM, cpus: 2, ...options })
  const { read, write } = registers(device)
  const get = (key: number, length: number) => {
    write(SELECTOR, key, 2)
    return Array.from({ length }, () => read(DATA))
  }
  const start = (at: number) => {
    const address = Buffer.alloc(8)
    address.writeBigUInt64BE(BigInt(at))
    device.write(DMA_HIGH, address.subarray(0, 4))
    device.write(DMA_LOW, address.subarray(4))
  }
  /** Runs a command that lies at 0x100, and returns its control member afterwards. */
  const dma = (control: number, length: number, address: number | bigint, at = 0x100) => {
    const command = Buffer.alloc(16)
    command.writeUInt32BE(control)
    command.writeUInt32BE(length, 4)
    command.writeBigUInt64BE(BigInt(address), 8)
    memory.write(at, command)
    start(at)
    return Buffer.from(memory.read(at, 4) ?? []).readUInt32BE()
  }
  const key = (name: string) => {
    const directory = Buffer.from(get(FW_CFG_KEYS.fileDirectory, 4096))
    for (let n = 0; n < directory.readUInt32BE(); n++) {
      const entry = directory.subarray(4 + n * 64, 68 + n * 64)
      if (entry.toString('latin1', 8).replace(/\0.*/, '') === name) return entry.readUInt16BE(4)
    }
    throw new Error(`no file ${name}`)
  }
  const peek = (at: number, length: number) => memory.read(at, length) ?? new Uint8Array(0)
  return { device, memory, peek, read, write, get, dma, start, key }
}

describe('items', () => {
  test('signature, interface, memory and CPUs', () => {
    const { get } = setUp()
    expect(Buffer.from(get(FW_CFG_KEYS.signature, 4)).toString()).toBe('QEMU')
    expect([get(FW_CFG_KEYS.id, 4), get(FW_CFG_KEYS.cpus, 2)]).toEqual([
      [3, 0, 0, 0],
      [2, 0],
    ])
    expect(get(FW_CFG_KEYS.ramSize, 8)).toEqual([0, 0, 1, 0, 0, 0, 0, 0])
  })

  test('past its end, and where there is none, an item reads as zeros', () => {
    const { get } = setUp()
    expect(get(FW_CFG_KEYS.cpus, 5)).toEqual([2, 0, 0, 0, 0])
    expect(get(0x7777, 3)).toEqual([0, 0, 0])
  })

  test('selecting starts from the beginning; other widths select nothing', () => {
    const { get, write, read } = setUp()
    get(FW_CFG_KEYS.signature, 2)
    write(SELECTOR, 5)
    expect(read(DATA)).toBe('M'.charCodeAt(0))
    expect(get(FW_CFG_KEYS.signature, 1)).toEqual(['Q'.charCodeAt(0)])
  })

  test('writes to the data port do nothing', () => {
    const { device, get, write, key } = setUp()
    device.addFile('file', Uint8Array.of(1, 2), { writable: true })
    get(key('file'), 0)
    write(DATA, 9)
    expect(device.file('file')).toEqual(Uint8Array.of(1, 2))
  })
})

describe('files', () => {
  test('are listed by name, with size and key', () => {
    const { device, get, key } = setUp()
    device.addFile('opt/b', Uint8Array.of(1, 2, 3))
    device.addFile('etc/a', Uint8Array.of(4))
    expect(get(FW_CFG_KEYS.fileDirectory, 4)).toEqual([0, 0, 0, 2])
    expect([key('etc/a'), key('opt/b')]).toEqual([0x21, 0x20])
    expect([get(key('opt/b'), 3), get(key('etc/a'), 1)]).toEqual([[1, 2, 3], [4]])
  })

  test('can be replaced under their name', () => {
    const { device, get, key } = setUp()
    device.addFile('a', Uint8Array.of(1))
    device.addFile('a', Uint8Array.of(7, 8))
    expect(get(key('a'), 2)).toEqual([7, 8])
  })

  test('names have 1 to 55 bytes and no NUL', () => {
    const { device, key } = setUp()
    device.addFile('x'.repeat(55), Uint8Array.of(1))
    expect(key('x'.repeat(55))).toBe(0x20)
    for (const name of ['', 'x'.repeat(56), 'é'.repeat(28), 'a\0b', 5]) {
      expectRefusal(() => device.addFile(name as string, new Uint8Array(1)), 'ERR_KVM_INVALID_ARGUMENT', /name/)
    }
  })

  test('are copies', () => {
    const { device } = setUp()
    const bytes = Uint8Array.of(1)
    device.addFile('a', bytes)
    bytes[0] = 2
    device.file('a')![0] = 3
    expect(device.file('a')).toEqual(Uint8Array.of(1))
    expect(device.file('b')).toBeUndefined()
  })
})

describe('DMA', () => {
  test('the register reads as its signature, if there is DMA', () => {
    const bytes = new Uint8Array(8)
    setUp().device.read(DMA_HIGH, bytes)
    expect(Buffer.from(bytes).toString()).toBe('QEMU CFG')
    const without = new FwCfg()
    const { read, write } = registers(without)
    expect(read(DMA_LOW, 4)).toBe(0xffff_ffff)
    write(DMA_LOW, 0, 4)
    write(SELECTOR, FW_CFG_KEYS.id, 2)
    expect(read(DATA)).toBe(1)
  })

  test('selects and reads, with zeros past the end', () => {
    const { memory, peek, dma } = setUp()
    memory.write(0x200, new Uint8Array(8).fill(0xaa))
    expect(dma((FW_CFG_KEYS.signature << 16) | SELECT | READ, 6, 0x200)).toBe(0)
    expect(Buffer.from(peek(0x200, 8)).toString('latin1')).toBe('QEMU\0\0\xaa\xaa')
  })

  test('skips', () => {
    const { peek, dma } = setUp()
    dma((FW_CFG_KEYS.signature << 16) | SELECT | SKIP, 2, 0)
    expect(dma(READ, 2, 0x200)).toBe(0)
    expect(Buffer.from(peek(0x200, 2)).toString()).toBe('MU')
    expect(dma(SKIP, 0xffff_ffff, 0)).toBe(0)
  })

  test('writes to writable files, within their length', () => {
    const { device, memory, dma, key } = setUp()
    device.addFile('rw', new Uint8Array(4), { writable: true })
    device.addFile('ro', new Uint8Array(4))
    memory.write(0x200, Uint8Array.of(1, 2, 3, 4, 5))
    const at = (name: string) => (key(name) << 16) | SELECT
    expect(dma(at('rw') | WRITE, 4, 0x200)).toBe(0)
    expect(device.file('rw')).toEqual(Uint8Array.of(1, 2, 3, 4))
    expect([dma(at('rw') | WRITE, 5, 0x200), dma(at('ro') | WRITE, 1, 0x200), dma(WRITE, 5, 0x200)]).toEqual([1, 1, 1])
    expect(device.file('ro')).toEqual(new Uint8Array(4))
  })

  test.each<[string, number, number | bigint]>([
    ['just past memory', 4, RAM - 3],
    ['an address past 2^52', 4, 2n ** 52n],
    ['an address of 64 ones', 4, 2n ** 64n - 1n],
    ['4 GiB of zeros', 0xffff_ffff, 0x200],
  ])('a buffer that cannot be is an error for the guest: %s', (_, length, address) => {
    const { dma, peek } = setUp()
    expect(dma((FW_CFG_KEYS.signature << 16) | SELECT | READ, length, address)).toBe(ERROR)
    expect(peek(RAM - 3, 3)).toEqual(new Uint8Array(3))
  })

  test('a command outside memory does nothing', () => {
    const { device, peek, start } = setUp()
    const [before, state] = [peek(0, RAM), device.save()]
    for (const at of [RAM - 15, RAM, 2 ** 40, 2 ** 52]) start(at)
    expect(peek(0, RAM)).toEqual(before)
    // Nothing is selected, and no half of an address is left for the next command.
    expect(device.save()).toEqual(state)
  })

  test('a command may be its own buffer', () => {
    const { dma } = setUp()
    expect(dma((FW_CFG_KEYS.signature << 16) | SELECT | READ, 16, 0x100)).toBe(0)
  })
})

test('a saved state goes on in the middle of an item, with what the guest has written', () => {
  const { device, memory, get, dma, key } = setUp()
  device.addFile('rw', new Uint8Array(2), { writable: true })
  memory.write(0x200, Uint8Array.of(5, 6))
  dma((key('rw') << 16) | SELECT | WRITE, 2, 0x200)
  get(FW_CFG_KEYS.signature, 2)
  const state = JSON.parse(JSON.stringify(device.save())) as ReturnType<FwCfg['save']>
  const other = setUp()
  expectRefusal(() => other.device.restore(state), 'ERR_KVM_INVALID_STATE', /written/)
  other.device.addFile('rw', new Uint8Array(2), { writable: true })
  other.device.restore(state)
  expect([other.read(DATA), other.device.file('rw')]).toEqual(['M'.charCodeAt(0), Uint8Array.of(5, 6)])
  for (const wrong of [{ position: 5 }, { key: -1 }, { written: [{ name: 'no', bytes: [1, 2] }] }, { written: {} }]) {
    expectRefusal(() => device.restore({ ...state, ...wrong } as never), 'ERR_KVM_INVALID_STATE')
  }
})

test('a reset takes back what the guest has written, and selects the signature', () => {
  const { device, memory, read, dma, key } = setUp()
  device.addFile('rw', Uint8Array.of(7, 8), { writable: true })
  memory.write(0x200, Uint8Array.of(5, 6))
  dma((key('rw') << 16) | SELECT | WRITE, 2, 0x200)
  device.reset()
  expect([device.file('rw'), read(DATA)]).toEqual([Uint8Array.of(7, 8), 'Q'.charCodeAt(0)])
})
