// Memory that has a file: for other processes, from other processes, and in copies that share its pages.
import { spawnSync } from 'node:child_process'
import { closeSync, fstatSync, mkdtempSync, openSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { HostMemory, Kvm, type MemoryImage } from 'node-kvm'
import { afterAll, describe, expect, test } from 'vitest'

import { expectRefusal, NOT_OBJECTS, NOT_WHOLE_NUMBERS } from '../thrown.js'
import { assemble, HLT, INC_AL, load, movEs, store } from './guests.js'
import { machine, runTo } from './machine.js'
import { scriptPath } from './run-script.js'

const PAGE = 4096
const folder = mkdtempSync(join(tmpdir(), 'node-kvm-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

/** Looks into memory, and writes to it, as a VM sees it. */
function withBytes<T>(memory: HostMemory, use: (vm: ReturnType<Kvm['createVm']>['memory']) => T): T {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  vm.addMemory({ at: 0, memory })
  return use(vm.memory)
}
const first = (memory: HostMemory, at = 0) => withBytes(memory, (bytes) => bytes.readUint8(at))
const put = (memory: HostMemory, value: number, at = 0) => {
  withBytes(memory, (bytes) => {
    bytes.writeUint8(at, value)
  })
}

/** A file on a disk, `pages` pages of `value`. */
function file(pages: number, value: number, flags = 'r+'): number {
  const path = join(folder, `file-${readdirSync(folder).length}`)
  const made = openSync(path, 'w')
  writeSync(made, new Uint8Array(pages * PAGE).fill(value))
  closeSync(made)
  return openSync(path, flags)
}

function inAnotherProcess(fd: number, ...args: string[]): unknown {
  const { stdout, stderr, status } = spawnSync(process.execPath, [scriptPath('other-process'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe', fd],
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(stdout)
}

describe('the descriptor of memory', () => {
  test('is that of a file with this content', () => {
    using memory = HostMemory.allocate({ size: 3 * PAGE })
    const fd = memory.fd!
    put(memory, 7, PAGE)
    const page = new Uint8Array(2)
    expect([fstatSync(fd).size, readSync(fd, page, 0, 2, PAGE), page[0]]).toEqual([3 * PAGE, 2, 7])
    writeSync(fd, Uint8Array.of(8), 0, 1, PAGE)
    expect(first(memory, PAGE)).toBe(8)
  })

  test('goes with the memory', () => {
    const memory = HostMemory.allocate({ size: PAGE })
    const fd = memory.fd!
    memory.close()
    expect(() => fstatSync(fd)).toThrow(/EBADF/)
    expectRefusal(() => memory.fd, 'ERR_KVM_CLOSED')
  })

  test('anonymous memory has none', () => {
    using memory = HostMemory.allocate({ size: PAGE, backing: 'anonymous' })
    expect(memory.fd).toBeUndefined()
  })

  test('lets another process share the memory', () => {
    using memory = HostMemory.allocate({ size: 2 * PAGE })
    put(memory, 7)
    expect(inAnotherProcess(memory.fd!, '9')).toEqual({ size: 2 * PAGE, found: 7 })
    expect(first(memory)).toBe(9)
    expect(inAnotherProcess(memory.fd!, '11', 'private')).toEqual({ size: 2 * PAGE, found: 9 })
    expect(first(memory)).toBe(9)
  })
})

describe('an image', () => {
  function frozen(value: number): { memory: HostMemory; image: MemoryImage } {
    const memory = HostMemory.allocate({ size: 4 * PAGE })
    put(memory, value)
    return { memory, image: memory.freeze() }
  }

  test('two VMs forked from one: each sees its own writes, and no other', () => {
    // al = [0x2_0000] + 1, to the same place
    const code = assemble(movEs(0x2000), load(1, 0), INC_AL, store(1, 0), HLT)
    const { memory, image } = frozen(7)
    const copies = [image.copy(), image.copy()] as const
    const [left, right] = [machine(code), machine(code)]
    left.vm.addMemory({ at: 0x2_0000, memory: copies[0] })
    right.vm.addMemory({ at: 0x2_0000, memory: copies[1] })
    runTo(left.vcpu, 'hlt')
    expect([left.vm.memory.readUint8(0x2_0000), right.vm.memory.readUint8(0x2_0000)]).toEqual([8, 7])
    left.vcpu.setRegs({ rip: 0x1000n })
    runTo(left.vcpu, 'hlt')
    runTo(right.vcpu, 'hlt')
    expect([left.vm.memory.readUint8(0x2_0000), right.vm.memory.readUint8(0x2_0000)]).toEqual([9, 8])
    expect([first(memory), first(image.copy())]).toEqual([7, 7])
    for (const each of [left, right, ...copies, memory, image]) each[Symbol.dispose]()
  })

  test('later writes of the original are in no copy, and the original goes on, with its views and its VM', () => {
    using memory = HostMemory.allocate({ size: 4 * PAGE })
    using m = machine(assemble(movEs(0x2000), load(1, 0), INC_AL, store(1, 0), HLT))
    const region = m.vm.addMemory({ at: 0x2_0000, memory })
    const view = region.view(0x2_0000, 2 * PAGE)
    view[0] = 7
    using image = memory.freeze()
    using copy = image.copy()
    runTo(m.vcpu, 'hlt')
    view[PAGE] = 5
    expect([view[0], region.readUint8(0x2_0000), view[PAGE]]).toEqual([8, 8, 5])
    expect([first(copy), first(copy, PAGE)]).toEqual([7, 0])
    m.vm.close()
  })

  test('nobody can write to it, whoever has its descriptor', () => {
    const { memory, image } = frozen(7)
    expect(() => writeSync(image.fd, Uint8Array.of(1), 0, 1, 0)).toThrow(/EPERM/)
    expectRefusal(() => HostMemory.fromFd({ fd: image.fd }), 'ERR_KVM_MEMORY_KIND', /sealed against writing.*private/)
    expect(inAnotherProcess(image.fd, '9', 'private')).toEqual({ size: 4 * PAGE, found: 7 })
    expect(first(image.copy())).toBe(7)
    memory.close()
    image.close()
  })

  test('copies outlive it and the original, and have no file', () => {
    const { memory, image } = frozen(7)
    using copy = image.copy()
    memory.close()
    image.close()
    image.close()
    expect([first(copy), copy.fd, image.closed]).toEqual([7, undefined, true])
    expectRefusal(() => image.copy(), 'ERR_KVM_CLOSED')
    expectRefusal(() => image.fd, 'ERR_KVM_CLOSED')
  })

  test('a hundred copies share the pages, and none costs a descriptor', () => {
    const { memory, image } = frozen(7)
    const descriptors = () => readdirSync('/proc/self/fd').length
    const before = descriptors()
    const copies = Array.from({ length: 100 }, () => image.copy())
    expect(descriptors()).toBe(before)
    expect(copies.map((copy) => first(copy))).toEqual(copies.map(() => 7))
    for (const each of [...copies, memory, image]) each.close()
  })

  test('is made of a memfd, and once', () => {
    using anonymous = HostMemory.allocate({ size: PAGE, backing: 'anonymous' })
    expectRefusal(() => anonymous.freeze(), 'ERR_KVM_MEMORY_KIND', /no file has its content; allocate it as memfd/)
    const { memory, image } = frozen(7)
    expectRefusal(() => memory.freeze(), 'ERR_KVM_MEMORY_KIND')
    using copy = image.copy()
    expectRefusal(() => copy.freeze(), 'ERR_KVM_MEMORY_KIND')
    const disk = file(1, 7)
    using onDisk = HostMemory.fromFd({ fd: disk, unsealed: true })
    const error = expectRefusal(() => onDisk.freeze(), 'ERR_KVM_MEMORY_KIND', /a memfd is/)
    expect([error.errno, first(onDisk)]).toEqual([22, 7])
    put(onDisk, 8)
    expect(readSync(disk, new Uint8Array(1), 0, 1, 0)).toBe(1)
    closeSync(disk)
    memory.close()
    image.close()
  })

  test('is refused while another mapping can write to the file; then all is as it was', () => {
    using memory = HostMemory.allocate({ size: 2 * PAGE })
    const second = HostMemory.fromFd({ fd: memory.fd! })
    const error = expectRefusal(() => memory.freeze(), 'ERR_KVM_MEMORY_IN_USE', /another mapping/)
    expect(error).toMatchObject({ errno: 16, operands: { size: 2 * PAGE } })
    put(memory, 7)
    expect(first(second)).toBe(7)
    put(second, 8)
    expect(first(memory)).toBe(8)
    second.close()
    using image = memory.freeze()
    expect(first(image.copy())).toBe(8)
  })
})

describe('a file of somebody else', () => {
  test('shared: what is written is in it', () => {
    const fd = file(3, 7)
    const memory = HostMemory.fromFd({ fd, unsealed: true })
    expect([memory.size, memory.fd === fd]).toEqual([3 * PAGE, false])
    put(memory, 9, 2 * PAGE)
    const byte = new Uint8Array(1)
    readSync(fd, byte, 0, 1, 2 * PAGE)
    expect([byte[0], first(memory)]).toEqual([9, 7])
    closeSync(fd)
    expect(first(memory, PAGE)).toBe(7) // the descriptor was the caller's
    memory.close()
  })

  test('private: it begins as the file is, a descriptor for reading will do, and shows later writes of others', () => {
    const fd = file(2, 7, 'r')
    using memory = HostMemory.fromFd({ fd, private: true, unsealed: true })
    put(memory, 9)
    const byte = new Uint8Array(1)
    readSync(fd, byte, 0, 1, 0)
    expect([byte[0], first(memory), first(memory, PAGE)]).toEqual([7, 9, 7])
    const others = openSync(`/proc/self/fd/${fd}`, 'r+')
    writeSync(others, Uint8Array.of(1), 0, 1, 0)
    writeSync(others, Uint8Array.of(2), 0, 1, PAGE)
    // Its own page stays. The other one is still the file's: that is what an image is safe from.
    expect([first(memory), first(memory, PAGE)]).toEqual([9, 2])
    closeSync(others)
    closeSync(fd)
  })

  test('a part of it: the guest has that and no more, and an image of it has the same', () => {
    using whole = HostMemory.allocate({ size: 4 * PAGE })
    for (let page = 0; page < 4; page++) put(whole, page + 1, page * PAGE)
    const part = HostMemory.fromFd({ fd: whole.fd!, offset: PAGE, size: 2 * PAGE })
    const rest = HostMemory.fromFd({ fd: whole.fd!, offset: 3 * PAGE, private: true })
    expect([part.size, first(part), first(part, PAGE), rest.size, first(rest)]).toEqual([2 * PAGE, 2, 3, PAGE, 4])
    const again = HostMemory.fromFd({ fd: part.fd!, offset: PAGE, size: 2 * PAGE })
    whole.close()
    again.close()
    using image = part.freeze()
    using copy = image.copy()
    expect([copy.size, first(copy), first(copy, PAGE)]).toEqual([2 * PAGE, 2, 3])
    part.close()
    rest.close()
  })

  test('one that can shrink is refused, and one that may not be written, with advice', () => {
    const fd = file(1, 7)
    const seal = expectRefusal(() => HostMemory.fromFd({ fd }), 'ERR_KVM_MEMORY_KIND', /F_SEAL_SHRINK.*unsealed: true/)
    expect(seal.operands).toEqual({ fd, size: PAGE })
    closeSync(fd)
    const readonly = file(1, 7, 'r')
    const error = expectRefusal(
      () => HostMemory.fromFd({ fd: readonly, unsealed: true }),
      'ERR_KVM_MEMORY_KIND',
      /reading and writing.*private/,
    )
    expect(error.errno).toBe(13)
    closeSync(readonly)
  })

  test('what is no file, sizes and offsets beyond it, parts of pages, wrong options', () => {
    const wrong = (options: object, message = /./) =>
      expectRefusal(() => HostMemory.fromFd(options as never), 'ERR_KVM_INVALID_ARGUMENT', message)
    using memory = HostMemory.allocate({ size: 2 * PAGE })
    const fd = memory.fd!
    for (const value of NOT_OBJECTS) wrong(value as never)
    for (const value of [undefined, ...NOT_WHOLE_NUMBERS, 2 ** 31]) wrong({ fd: value }, /fd/)
    for (const device of ['/dev/null', folder]) {
      const other = openSync(device, 'r')
      wrong({ fd: other }, /memfd or of another file/)
      closeSync(other)
    }
    wrong({ fd: 999_999 }, /an open descriptor/)
    for (const size of [0, 1, PAGE + 1, 3 * PAGE]) wrong({ fd, size }, /size/)
    for (const offset of [1, -PAGE, 3 * PAGE]) wrong({ fd, offset }, /offset/)
    wrong({ fd, offset: 2 * PAGE }, /size/)
    wrong({ fd, offset: PAGE, size: 2 * PAGE }, /size/)
    wrong({ fd, private: 1 }, /private/)
    wrong({ fd, unsealed: 'yes' }, /unsealed/)
    wrong({ fd, privat: true }, /no option/)
    const odd = openSync(join(folder, 'odd'), 'w+')
    writeSync(odd, new Uint8Array(PAGE + 1))
    wrong({ fd: odd, unsealed: true }, /size.*multiple/)
    HostMemory.fromFd({ fd: odd, size: PAGE, unsealed: true }).close()
    closeSync(odd)
  })
})
