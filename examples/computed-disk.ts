// Lesson 20, computed-disk: a disk whose sectors are computed by a JavaScript function, read over virtio
import { Block, type Disk } from 'node-kvm/virtio'
import { guestMachine, howItEnded, virtioAtKnownAddress } from './shared/guest-machine.js'

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

using machine = await guestMachine('computed-disk', [virtioAtKnownAddress(block)])
const outcome = await machine.run({ timeout: 60_000 })
const { read, refused } = block.statistics
console.log(`host: ${read.operations} sectors read, ${refused} request refused`)
console.log(`host: ${howItEnded(outcome)}`)
