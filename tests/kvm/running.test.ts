// Misuse of a vCPU that runs on its own thread: whatever it does, the guest can be stopped and the process lives.
import { describe, expect, test } from 'vitest'

import { expectRefusal } from '../thrown.js'
import { PATIENCE } from './amounts.js'
import { assemble, HLT, jumpBack, outAl, SPIN } from './guests.js'
import { machine, runTo } from './machine.js'

const options = { timeout: PATIENCE }
const spin = assemble(SPIN)
const exits = assemble(outAl(1), jumpBack(2))
const moment = () => new Promise((resolve) => setTimeout(resolve, 20))

test('entering it twice, and touching its state, is refused while the guest runs', options, async () => {
  using m = machine(spin)
  const finished = m.vcpu.start(() => {
    throw new Error('the guest never exits')
  })
  await moment()
  const { vcpu } = m
  const calls = [
    () => vcpu.run(),
    () => vcpu.start(() => undefined),
    () => vcpu.getRegs(),
    () => vcpu.setRegs({ rax: 1n }),
    () => vcpu.getSregs(),
    () => vcpu.getMsrs([0x10]),
    () => vcpu.setGuestDebug({ enable: false }),
  ]
  for (const call of calls) expectRefusal(call, 'ERR_KVM_RUNNING', /pause\(\) it first|stop\(\) it first/)
  await vcpu.stop()
  await finished
  expect(vcpu.getRegs().rip).toBe(0x1000n)
  expect(vcpu.run({ deadline: 0 }).reason).toBe('interrupted')
})

describe.each([
  ['spins', spin],
  ['exits without pause', exits],
])('closing while the guest %s', (_, code) => {
  test.each(['vcpu', 'vm'] as const)(
    '%s: start() resolves, and nothing can be used any more',
    options,
    async (part) => {
      using m = machine(code)
      const finished = m.vcpu.start(() => undefined)
      await moment()
      m[part].close()
      await finished
      expectRefusal(() => m.vcpu.getRegs(), 'ERR_KVM_CLOSED')
      expectRefusal(() => m.vcpu.start(() => undefined), 'ERR_KVM_CLOSED')
    },
  )

  test('removing its memory does no harm to this process', options, async () => {
    using m = machine(code)
    const finished = m.vcpu.start(() => undefined)
    await moment()
    m.vm.removeMemory(m.vm.memory.regions[0]!)
    await moment()
    m.vcpu.close()
    await finished.catch(() => undefined) // the guest may have died of it
    expect(m.vcpu.closed).toBe(true)
  })
})

describe('from inside its own handler', () => {
  test.each(['vcpu', 'vm'] as const)('closing the %s', options, async (part) => {
    using m = machine(exits)
    let calls = 0
    await m.vcpu.start(() => {
      calls++
      m[part].close()
    })
    expect([calls, m.vcpu.closed]).toEqual([1, true])
  })

  test('run() and start() are refused, state can be read and set', options, async () => {
    using m = machine(exits)
    let calls = 0
    await m.vcpu.start((exit) => {
      calls++
      expect(exit.reason).toBe('io')
      expectRefusal(() => m.vcpu.run(), 'ERR_KVM_RUNNING')
      expectRefusal(() => m.vcpu.start(() => undefined), 'ERR_KVM_RUNNING')
      expect(m.vcpu.getRegs().rip).toBe(0x1002n)
      m.vcpu.setRegs({ rbx: 5n })
      void m.vcpu.stop()
    })
    expect([calls, m.vcpu.getRegs().rbx]).toEqual([1, 5n])
  })

  test('an error of the handler comes out of start(), and the vCPU can be run on', options, async () => {
    using m = machine(assemble(outAl(1), HLT))
    await expect(
      m.vcpu.start(() => {
        throw new RangeError('mine')
      }),
    ).rejects.toThrow(new RangeError('mine'))
    runTo(m.vcpu, 'hlt')
  })

  test('a handler that returns something else is told so', options, async () => {
    using m = machine(assemble(outAl(1), HLT))
    await expect(m.vcpu.start((() => 5) as never)).rejects.toMatchObject({ code: 'ERR_KVM_INVALID_ARGUMENT' })
    runTo(m.vcpu, 'hlt')
  })

  test('a promise that never settles keeps the guest out, and close() ends it', options, async () => {
    using m = machine(exits)
    let calls = 0
    const finished = m.vcpu.start(() => {
      calls++
      return new Promise<void>(() => undefined)
    })
    while (calls === 0) await moment()
    await moment()
    expect(calls).toBe(1)
    m.vcpu.close()
    await finished
  })
})

test('what is no handler', () => {
  using m = machine(spin)
  for (const handler of [undefined, null, {}, 'x', 1]) {
    expectRefusal(() => m.vcpu.start(handler as never), 'ERR_KVM_INVALID_ARGUMENT', /handler/)
  }
  expect(m.vcpu.started).toBe(false)
})
