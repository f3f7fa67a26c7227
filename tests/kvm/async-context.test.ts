// Handlers and listeners run in the AsyncLocalStorage context of whoever gave them.
import { AsyncLocalStorage } from 'node:async_hooks'

import { expect, test } from 'vitest'

import { assemble, jumpBack, outAl } from './guests.js'
import { machine } from './machine.js'
import { until } from './threaded.js'
import { post } from './cells.js'

const storage = new AsyncLocalStorage<string>()

// Out to four ports, for ever: an exit, a posted write, a lazy one, and a doorbell.
const writes = assemble(outAl(0x40), outAl(0x50), outAl(0x60), outAl(0x70))
const code = assemble([...writes], jumpBack(writes.length))

async function one(name: string): Promise<Record<string, string[]>> {
  using m = machine(code)
  const seen: Record<string, Set<string>> = {}
  const note = (where: string) => (seen[where] ??= new Set()).add(String(storage.getStore()))
  const within = (where: string, give: () => unknown) => storage.run(`${name} ${where}`, give)
  within('posted', () => post(m.vm, { port: 0x50, length: 1 }, () => note('posted')))
  within('lazy', () => post(m.vm, { port: 0x60, length: 1, lazy: true }, () => note('lazy')))
  within('doorbell', () => m.vm.ioeventfd({ port: 0x70 }, () => note('doorbell')))
  let exits = 0
  const ended = storage.run(`${name} handler`, () =>
    m.vcpu.start(async () => {
      note('handler')
      await Promise.resolve()
      note('after await')
      exits++
    }),
  )
  await until(() => exits > 50 && seen['doorbell'] !== undefined)
  // Whoever lets it run on gives no context.
  await m.vcpu.pause()
  m.vcpu.resume()
  const before = exits
  await until(() => exits > before + 50)
  await m.vcpu.stop()
  await ended
  return Object.fromEntries(Object.entries(seen).map(([where, names]) => [where, [...names]]))
}

test('of several VMs at once, each in its own, after an await, a pause and beside others', async () => {
  const names = ['a', 'b', 'c']
  const all = await Promise.all(names.map((name) => storage.run(name, one, name)))
  names.forEach((name, index) => {
    expect(all[index]).toEqual({
      handler: [`${name} handler`],
      'after await': [`${name} handler`],
      posted: [`${name} posted`],
      lazy: [`${name} lazy`],
      doorbell: [`${name} doorbell`],
    })
  })
})
