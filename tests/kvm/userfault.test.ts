// Pages that JavaScript fills, or lets be written, when a guest touches them.

import { HostMemory, Kvm, type UserfaultFault, type UserfaultKind } from 'node-kvm'
import { describe as always, expect, onTestFinished, test as alwaysTest } from 'vitest'

import { expectRefusal, NOT_OBJECTS, NOT_WHOLE_NUMBERS } from '../thrown.js'
import { assemble, HLT, load, movDi, movEs, outAl, repIns, movCx, movDx, storeByte } from './guests.js'
import { type Machine, machine } from './machine.js'
import { runScript } from './run-script.js'
import { runToHalt, turn, until } from './threaded.js'
import { noUserfault } from './userfault-rights.js'

const describe = always.skipIf(noUserfault !== undefined)
const test = alwaysTest.skipIf(noUserfault !== undefined)

const PAGE = 4096
const AT = 0x2_0000
const page = (value: number) => new Uint8Array(PAGE).fill(value)

/** A machine with `pages` pages of such memory at 0x2_0000. */
function withMemory(
  code: Uint8Array,
  backing: 'memfd' | 'anonymous' = 'memfd',
  pages = 8,
): Machine & { memory: HostMemory } {
  const memory = HostMemory.allocate({ size: pages * PAGE, backing })
  const made = machine(code)
  made.vm.addMemory({ at: AT, memory })
  onTestFinished(() => {
    made[Symbol.dispose]()
    memory.close()
  })
  return { ...made, memory }
}

/** Loads from, or stores to, these pages, and halts. */
const reader = (...pages: number[]) => assemble(...pages.flatMap((n) => [movEs(0x2000 + n * 0x100), load(1, 5)]), HLT)
const writer = (...pages: number[]) =>
  assemble(...pages.flatMap((n) => [movEs(0x2000 + n * 0x100), storeByte(5, 9)]), HLT)

describe.each(['memfd', 'anonymous'] as const)('missing pages, %s', (backing) => {
  test('a guest that touches one waits until the handler has filled it, and reads that', async () => {
    const m = withMemory(reader(3), backing)
    const seen: [number, UserfaultKind, boolean][] = []
    using faults = m.memory.userfault({ missing: true }, (fault) => {
      seen.push([fault.offset, fault.kind, fault.write])
      expect(fault.copy(page(7))).toBe(true)
      expect(fault.copy(page(8))).toBe(false)
    })
    await runToHalt(m.vcpu)
    expect(seen).toEqual([[3 * PAGE, 'missing', expect.any(Boolean)]])
    expect(m.vcpu.getRegs().rax & 0xffn).toBe(7n)
    expect([faults.closed, m.vm.memory.readUint8(AT + 3 * PAGE)]).toEqual([false, 7])
  })

  test('later, too: the event loop goes on meanwhile', async () => {
    const m = withMemory(reader(1), backing)
    let turns = 0
    using faults = m.memory.userfault({ missing: true }, async (fault) => {
      for (; turns < 20; turns++) await turn()
      fault.copy(page(turns))
    })
    await runToHalt(m.vcpu)
    expect([m.vcpu.getRegs().rax & 0xffn, faults.closed]).toEqual([20n, false])
  })

  test('zeros, several pages at once, and what is there already', async () => {
    const m = withMemory(reader(0, 1, 2, 3), backing)
    m.vm.memory.writeUint8(AT + 2 * PAGE, 1)
    const seen: number[] = []
    using faults = m.memory.userfault({ missing: true }, (fault) => {
      seen.push(fault.offset / PAGE)
      if (fault.offset === 0) expect(fault.copy(new Uint8Array(2 * PAGE).fill(5))).toBe(true)
      else expect(fault.zero()).toBe(true)
    })
    await runToHalt(m.vcpu)
    expect(seen).toEqual([0, 3])
    expect([faults.copy(0, page(1)), faults.zero(4 * PAGE, 2 * PAGE), faults.zero(3 * PAGE, 2 * PAGE)]).toEqual([
      0, 2, 0,
    ])
  })
})

describe.each(['memfd', 'anonymous'] as const)('protected pages, %s', (backing) => {
  test('tell which pages the guest writes, in rounds', async () => {
    const m = withMemory(assemble([...writer(1, 4, 1)], [...writer(4, 7)]), backing)
    const dirty = new Set<number>()
    using faults = m.memory.userfault({ writeProtect: true }, (fault) => {
      expect([fault.kind, fault.write]).toEqual(['writeProtect', true])
      dirty.add(fault.offset / PAGE)
      fault.unprotect()
    })
    m.vm.memory.fill(AT, 8 * PAGE, 1)
    faults.protect(0, 8 * PAGE)
    await runToHalt(m.vcpu)
    expect([...dirty]).toEqual([1, 4])
    dirty.clear()
    faults.protect(0, 8 * PAGE)
    await runToHalt(m.vcpu)
    expect([...dirty]).toEqual([4, 7])
  })

  test('are tracked for this thread, too; reading alone counts, for views of it can write', () => {
    const m = withMemory(assemble(HLT), backing)
    m.vm.memory.fill(AT, 8 * PAGE, 1)
    const dirty: number[] = []
    using faults = m.memory.userfault({ writeProtect: true }, (fault) => {
      dirty.push(fault.offset / PAGE)
      fault.unprotect()
    })
    const view = m.vm.memory.view(AT, PAGE)
    expect(dirty).toEqual([])
    faults.protect(0, 8 * PAGE)
    expect(view.length).toBe(0)
    m.vm.memory.writeUint32(AT + 3 * PAGE - 2, 0xffff_ffff)
    expect(dirty).toEqual([2, 3])
    expect(m.vm.memory.dma.storeUint32(AT + 5 * PAGE, 1)).toBe(true)
    expect([dirty, m.vm.memory.dma.read(AT + 5 * PAGE, 2)]).toEqual([[2, 3, 5], Uint8Array.of(1, 0)])
  })
})

test('minor faults: what another mapping has put into the file', async () => {
  using source = HostMemory.allocate({ size: 8 * PAGE })
  using memory = HostMemory.fromFd({ fd: source.fd! })
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  vm.addMemory({ at: 0, memory: source })
  vm.memory.writeUint8(2 * PAGE + 5, 7)
  using m = machine(reader(2))
  m.vm.addMemory({ at: AT, memory })
  const seen: UserfaultKind[] = []
  using faults = memory.userfault({ minor: true }, (fault) => {
    seen.push(fault.kind)
    expect(fault.proceed()).toBe(true)
  })
  await runToHalt(m.vcpu)
  expect([seen, m.vcpu.getRegs().rax & 0xffn, faults.closed]).toEqual([['minor'], 7n, false])
  expectRefusal(() => m.vm.memory.readUint8(AT), 'ERR_KVM_USERFAULT', /another memory over its file/)
  m.vm.close()
  vm.close()
})

describe('this thread, which the handler needs,', () => {
  test('is shown what it touches first, through every door, and touches it when it is filled', () => {
    const m = withMemory(assemble(HLT), 'memfd', 32)
    const old = m.vm.memory.view(AT, PAGE)
    const seen: number[] = []
    const faults = m.memory.userfault({ missing: true }, (fault) => {
      seen.push(fault.offset / PAGE)
      fault.copy(page(fault.offset / PAGE + 1))
    })
    const { memory } = m.vm
    expect(old.length).toBe(0)
    expect([memory.readUint8(AT + 2 * PAGE), memory.readUint16(AT + 4 * PAGE - 1)]).toEqual([3, 0x0504])
    expect(memory.dma.read(AT + 7 * PAGE - 1, 2)).toEqual(Uint8Array.of(7, 8))
    expect(memory.dma.loadUint32(AT + 8 * PAGE)).toBe(0x0909_0909)
    expect(seen).toEqual([2, 3, 4, 6, 7, 8])
    expect(memory.view(AT + 20 * PAGE, 1)[0]).toBe(21)
    faults.close()
    expect([memory.readUint8(AT + 20 * PAGE), memory.readUint8(AT + 2 * PAGE), memory.readUint8(AT)]).toEqual([
      21, 3, 0,
    ])
    expect(memory.dma.read(AT + 8 * PAGE, 1)).toEqual(Uint8Array.of(9))
  })

  test('does not wait: a handler that answers later is refused', () => {
    const m = withMemory(assemble(HLT))
    const later: UserfaultFault[] = []
    using faults = m.memory.userfault({ missing: true }, (fault) => later.push(fault))
    expectRefusal(() => m.vm.memory.readUint8(AT), 'ERR_KVM_USERFAULT', /offset 0x0 .*cannot wait for itself/)
    later[0]!.copy(page(7))
    expect([m.vm.memory.readUint8(AT), faults.closed]).toEqual([7, false])
  })

  test('does not run the guest, whose memory it would have to fill', async () => {
    const m = withMemory(reader(0))
    const faults = m.memory.userfault({ missing: true }, (fault) => fault.zero())
    const error = expectRefusal(() => m.vcpu.run(), 'ERR_KVM_USERFAULT', /vcpu\.start\(\)/)
    expect([error.ioctl, error.errno]).toEqual(['KVM_RUN', 35])
    faults.close()
    expect(m.vcpu.run().reason).toBe('hlt')
    await turn()
  })

  test('does not change the VM while a vCPU may wait; paused and stopped vCPUs are none', async () => {
    const m = withMemory(assemble(...[movEs(0x2000), load(1, 5)], ...outAl(0x10).map((byte) => [byte]), HLT))
    const waiting: UserfaultFault[] = []
    using faults = m.memory.userfault({ missing: true }, (fault) => waiting.push(fault))
    const done = runToHalt(m.vcpu, () => undefined)
    await until(() => waiting.length > 0)
    const stop = /stop the vCPUs, or close the userfault/
    expectRefusal(() => m.vm.addMemory({ at: 0x40_0000, size: PAGE }), 'ERR_KVM_USERFAULT', stop)
    expectRefusal(() => m.vm.removeMemory(m.vm.memory.regions[1]!), 'ERR_KVM_USERFAULT', stop)
    waiting[0]!.zero()
    await done
    m.vm.addMemory({ at: 0x40_0000, size: PAGE }).writeUint8(0x40_0000, 1)
    expect(faults.closed).toBe(false)
  })

  // rep insb of one byte to es:di, in a page that is not there: KVM writes it when the access is completed
  const intoPage = assemble(movEs(0x2000), movDi(PAGE), movCx(1), movDx(0x60), repIns(1), HLT)

  test('completes the access of a vCPU that it looks at, into a missing page: the handler is called meanwhile', async () => {
    const m = withMemory(intoPage)
    const seen: number[] = []
    using faults = m.memory.userfault({ missing: true }, (fault) => {
      seen.push(fault.offset)
      fault.zero()
    })
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason !== 'io') return
      exit.data.fill(7)
      expect([m.vcpu.getRegs().rcx & 0xffffn, seen]).toEqual([0n, [PAGE]])
    })
    expect([seen, m.vm.memory.readUint8(AT + PAGE), faults.closed]).toEqual([[PAGE], 7, false])
  })

  test.each(['asynchronous', 'synchronous'])(
    'goes on while a pause completes such an access, so it can answer later: the exit handler is %s',
    async (how) => {
      const m = withMemory(intoPage)
      const waiting: UserfaultFault[] = []
      using faults = m.memory.userfault({ missing: true }, (fault) => waiting.push(fault))
      let paused: Promise<void> | undefined
      const done = runToHalt(m.vcpu, (exit) => {
        if (exit.reason === 'io') exit.data.fill(7)
        paused = m.vcpu.pause()
        return how === 'asynchronous' ? turn() : undefined
      })
      await until(() => waiting.length > 0)
      expect(m.vcpu.paused).toBe(false)
      await turn()
      waiting[0]!.zero()
      await paused
      expect([m.vcpu.paused, m.vcpu.getRegs().rcx & 0xffffn]).toEqual([true, 0n])
      expect(m.vm.memory.readUint8(AT + PAGE)).toBe(7)
      m.vcpu.resume()
      await done
      expect([waiting.length, faults.closed]).toEqual([1, false])
    },
  )
})

describe('the end', () => {
  test.each(['never answers', 'throws'])('a handler that %s keeps nobody waiting after close()', async (how) => {
    const m = withMemory(reader(3))
    const thrown: unknown[] = []
    const collect = (error: unknown) => thrown.push(error)
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException').on('uncaughtException', collect)
    onTestFinished(() => {
      process.removeAllListeners('uncaughtException')
      for (const other of others) process.on('uncaughtException', other)
    })
    let told = false
    const faults = m.memory.userfault({ missing: true }, () => {
      told = true
      if (how === 'throws') throw new Error('no page')
    })
    const done = runToHalt(m.vcpu)
    await until(() => told)
    faults.close()
    faults.close()
    await done
    expect([m.vcpu.getRegs().rax & 0xffn, faults.closed]).toEqual([0n, true])
    expect(thrown).toEqual(how === 'throws' ? [new Error('no page')] : [])
  })

  test('of the VM, while its vCPU waits', async () => {
    const m = withMemory(reader(3))
    let told = false
    const faults = m.memory.userfault({ missing: true }, () => (told = true))
    const done = runToHalt(m.vcpu)
    await until(() => told)
    m.vm.close()
    await done
    expect(faults.closed).toBe(true)
    m.memory.close()
  })

  test('of the memory, and another one after it', () => {
    const memory = HostMemory.allocate({ size: 8 * PAGE })
    const first = memory.userfault({ missing: true }, () => undefined)
    expectRefusal(() => memory.userfault({ missing: true }, () => undefined), 'ERR_KVM_MEMORY_IN_USE', /already/)
    expectRefusal(() => memory.freeze(), 'ERR_KVM_MEMORY_IN_USE')
    first.close()
    const second = memory.userfault({ missing: true }, () => undefined)
    memory.close()
    expect([first.closed, second.closed]).toEqual([true, true])
    expectRefusal(() => second.zero(0, PAGE), 'ERR_KVM_CLOSED')
    expectRefusal(() => memory.userfault({ missing: true }, () => undefined), 'ERR_KVM_CLOSED')
  })

  test('of one that is closed, and that its handler refers to', () => {
    const { stdout, stderr } = runScript('userfault', ['closed'], ['--expose-gc'])
    expect({ stdout, stderr }).toEqual({ stdout: 'ended\n', stderr: '' })
  })

  test.each(['worker', 'exit', 'collected'])('of everything, while a vCPU waits: %s', (how) => {
    expect(runScript('userfault', [how], ['--expose-gc'])).toEqual({
      status: 0,
      signal: null,
      stdout: 'ended\n',
      stderr: '',
    })
  })
})

alwaysTest('without the right, the error says how to get it', () => {
  const { stdout, stderr } = runScript('userfault', ['refused'])
  expect(stderr).toBe('')
  const { code, errno, message } = JSON.parse(stdout) as { code: string; errno: number; message: string }
  expect([code, errno]).toEqual(['ERR_KVM_NO_PERMISSION', 1])
  expect(message).toMatch(/CAP_SYS_PTRACE.*\/dev\/userfaultfd.*vm\.unprivileged_userfaultfd=1/)
})

test('kinds of memory and wrong arguments', () => {
  using memory = HostMemory.allocate({ size: 4 * PAGE })
  using anonymous = HostMemory.allocate({ size: 4 * PAGE, backing: 'anonymous' })
  const handler = () => undefined
  expectRefusal(() => anonymous.userfault({ minor: true }, handler), 'ERR_KVM_MEMORY_KIND', /minor/)
  const wrong = (call: () => unknown, message = /./) => expectRefusal(call, 'ERR_KVM_INVALID_ARGUMENT', message)
  for (const value of NOT_OBJECTS) wrong(() => memory.userfault(value as never, handler))
  wrong(() => memory.userfault({}, handler), /at least/)
  wrong(() => memory.userfault({ missing: 1 } as never, handler), /missing/)
  wrong(() => memory.userfault({ mising: true } as never, handler), /no option/)
  wrong(() => memory.userfault({ missing: true }, 1 as never), /handler/)
  using faults = memory.userfault({ missing: true }, handler)
  for (const value of [...NOT_WHOLE_NUMBERS, 1, 4 * PAGE]) {
    wrong(() => faults.zero(value as never, PAGE), /offset/)
    wrong(() => faults.copy(value as never, page(1)), /offset/)
  }
  for (const value of [...NOT_WHOLE_NUMBERS, 0, 1, PAGE + 1, 5 * PAGE])
    wrong(() => faults.zero(0, value as never), /length/)
  wrong(() => faults.copy(0, new Uint8Array(0)))
  wrong(() => faults.copy(0, new Uint8Array(PAGE - 1)))
  wrong(() => faults.copy(0, [1] as never))
  wrong(() => faults.protect(0, PAGE), /writeProtect/)
  expect(faults.copy(3 * PAGE, page(1))).toBe(1)
  expectRefusal(() => faults.proceed(0, PAGE), 'ERR_KVM_IOCTL', /UFFDIO_CONTINUE/)
})
