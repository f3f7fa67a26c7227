// Lesson 26, migrate: a guest that counts moves to another process while it counts, and loses no number
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type DeviceNode, flat, Machine } from 'node-kvm/machine'

const PORT = 0x660
const STREAM = 3 // the descriptor at both ends of which the processes talk

// again: inc dword [0x3000]; mov eax, [0x3000]; mov dx, 0x660; out dx, eax; jmp again
const image = Buffer.from('66ff06003066a10030ba600666efebf0', 'hex')

/** A device that hears the numbers. */
function listener(hear: (number: number) => void): DeviceNode {
  const write = (_offset: number, data: Uint8Array) => {
    hear(Buffer.from(data).readUInt32LE())
  }
  return { name: 'listener', resources: [{ port: PORT, length: 4 }], device: { read: () => undefined, write } }
}

/** The first process: the guest is born here. */
async function source() {
  const target = fork(fileURLToPath(import.meta.url), ['target'], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe', 'ipc'],
  })
  let last = 0
  const devices = [listener((number) => (last = number))]
  using machine = await Machine.create({ memory: '16M', boot: flat({ image, address: 0x8000, mode: 'real' }), devices })
  const run = machine.run()
  const heard = once(target, 'message')
  await machine.migrate(target.stdio[STREAM] as Duplex)
  console.log(`source: the guest has counted, and is gone (${(await run).kind})`)
  const [first] = (await heard) as [number]
  console.log(`target: the guest counts on, ${first === last + 1 ? 'with the next number' : `${last}, then ${first}`}`)
}

/** The second one: waits for the guest, and listens to it for a while. */
async function target() {
  const numbers: number[] = []
  let end = () => {}
  const devices = () => [listener((number) => numbers.push(number) === 1000 && end())]
  using machine = await Machine.receive(new Socket({ fd: STREAM }), { devices })
  end = () => void machine.stop()
  await machine.run()
  process.send?.(numbers[0])
  process.disconnect()
}

await (process.argv[2] === 'target' ? target() : source())
