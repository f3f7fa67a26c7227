// Lesson 19, computed-disk: a disk whose sectors are computed by a JavaScript function, read over virtio
import { fileURLToPath } from 'node:url'
import { DebugConsole } from 'node-kvm/devices'
import { describeOutcome, flat, Machine } from 'node-kvm/machine'
import { Block, type Disk, VirtioMmio } from 'node-kvm/virtio'

const SECTOR = 512

/** A table of squares with a sector for each number: a terabyte of it, and none of it stored. */
const squares: Disk = {
  size: 2 ** 40,
  read(offset, bytes) {
    for (let at = 0; at < bytes.length; at += SECTOR) {
      const number = (offset + at) / SECTOR
      const sector = bytes.subarray(at, at + SECTOR).fill(0)
      new TextEncoder().encodeInto(`the square of ${number} is ${BigInt(number) ** 2n}\n`, sector)
    }
  },
}
const block = new Block(squares)

using machine = await Machine.create({
  memory: '16M',
  boot: flat({
    image: fileURLToPath(new URL('guests/computed-disk.bin', import.meta.url)),
    address: 0x1000,
    mode: 'real',
  }),
  devices: [
    {
      // For a kernel that looks for its devices, virtio(block) is enough. This guest knows one address.
      name: 'disk',
      device: (context) => new VirtioMmio(block, context),
      resources: [{ memory: 0xd000_0000, length: 0x200 }, { gsi: 5 }],
    },
    {
      name: 'console',
      device: new DebugConsole({ output: (bytes) => process.stdout.write(bytes) }),
      resources: [{ port: 0xe9, length: 1 }],
    },
  ],
})

const outcome = await machine.run({ timeout: 10_000 })
const { read, refused } = block.statistics
console.log(`host: ${read.operations} sectors read, ${refused} request refused`)
console.log(`host: ${outcome.kind === 'exit' ? `the guest is done: ${outcome.value}` : describeOutcome(outcome)}`)
