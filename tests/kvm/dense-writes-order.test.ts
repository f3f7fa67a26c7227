// Posted writes that the kernel gathers, where something else is going on in the VM: whose they are, and in which order.
import { createHook } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { ValueCell } from 'node-kvm'
import { expect, test } from 'vitest'
import { AMOUNTS, PATIENCE } from './amounts.js'
import {
  assemble,
  decCxJnzBack,
  HLT,
  INC_AX,
  jumpBack,
  movAx,
  movCx,
  movDx,
  movEs,
  outAl,
  outDx,
  SPIN,
  store,
  storeByte,
} from './guests.js'
import { machine, type Machine } from './machine.js'
import { addVcpu, block, runToHalt, until } from './threaded.js'
import { post } from './cells.js'

const PORT = 0x100
const MANY = 5000
const options = { timeout: PATIENCE }
const FOR_EVER = assemble(movAx(0), movDx(PORT), outDx(2), INC_AX, jumpBack(2))

/** Counts what FOR_EVER writes; `wrong` is the first value that is not the next one. */
function check({ vm }: Machine) {
  const heard = { count: 0, wrong: undefined as number | undefined }
  post(vm, { port: PORT, length: 2 }, (_offset, data) => {
    const value = data[0]! + 256 * data[1]!
    if (value !== heard.count % 0x1_0000) heard.wrong ??= value
    heard.count++
  })
  return heard
}

test('a narrower write exits where only whole ones are posted', options, async () => {
  const rounds = 100
  const round = assemble(store(4, 0x10), storeByte(0x12, 7))
  const stream = assemble(movCx(MANY), store(4, 0x10), decCxJnzBack(5))
  using m = machine(assemble(movEs(0x2000), [...stream], movCx(rounds), [...round], decCxJnzBack(round.length), HLT))
  const heard = { narrow: 0, wide: 0 }
  const cell = new ValueCell({ offset: 0x10, width: 4, whole: true, write: 'post' })
  m.vm.mapCells({ address: 0x2_0000 }, [cell], () => heard.wide++)
  await runToHalt(m.vcpu, () => {
    heard.narrow++
  })
  expect(heard).toEqual({ narrow: rounds, wide: MANY + rounds })
})

test(
  'a vCPU whose access is completed for a reader of its state delivers nothing of another too early',
  options,
  async () => {
    using m = machine(FOR_EVER)
    const heard = check(m)
    m.vm.memory.write(0x3000, assemble(outAl(9), jumpBack(2)))
    const other = addVcpu(m, 1, 0x3000)
    let exits = 0
    const finished = [
      m.vcpu.start(() => undefined),
      other.start(() => {
        if (++exits % 20 === 0) block(2) // the other one's ring fills
        other.getRegs()
      }),
    ]
    await until(() => exits > 5 * AMOUNTS.repeats && heard.count > MANY)
    await Promise.all([m.vcpu.stop(), other.stop(), ...finished])
    expect(heard.wrong).toBeUndefined()
  },
)

test('a vCPU that is closed takes nothing of another with it', options, async () => {
  for (let round = 0; round < AMOUNTS.repeats / 10; round++) {
    using m = machine(FOR_EVER)
    const heard = check(m)
    m.vm.memory.write(0x3000, assemble(SPIN))
    const other = addVcpu(m, 1, 0x3000)
    const finished = m.vcpu.start(() => undefined)
    const closed = other.start(() => undefined)
    await until(() => heard.count > MANY)
    other.close()
    await closed
    await until(() => heard.count > 2 * MANY)
    await m.vcpu.stop()
    await finished
    expect(heard.wrong).toBeUndefined()
  }
})

test('while all vCPUs are paused nobody looks; then their writes are heard again', options, async () => {
  const burst = assemble(movCx(MANY), movDx(PORT), outDx(2), decCxJnzBack(1))
  using m = machine(assemble([...burst], outAl(9), [...burst], SPIN))
  let heard = 0
  post(m.vm, { port: PORT, length: 2 }, () => heard++)
  let paused: Promise<void> | undefined
  const finished = m.vcpu.start(() => {
    paused = m.vcpu.pause()
  })
  await until(() => paused !== undefined)
  await paused
  let timers = 0
  const hook = createHook({
    init(_id, type) {
      if (type === 'Timeout') timers++
    },
  }).enable()
  await sleep(200)
  hook.disable()
  expect(timers).toBeLessThan(10) // one of this test, and one that was under way
  expect(heard).toBe(MANY)
  m.vcpu.resume()
  await until(() => heard === 2 * MANY)
  await m.vcpu.stop()
  await finished
})
