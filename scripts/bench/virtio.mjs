// @ts-check
// What a request to a disk costs: from the guest's driver through the queue to a file and back. The guest writes its own driver, so
// this runs where no Linux does; beside it a C program serves the same queue of the same guest.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeOutcome, flat, Machine, openDisk } from 'node-kvm/machine'
import { Block, VirtioMmio } from 'node-kvm/virtio'
import { buildGuestInC, buildProgram, runProgram } from './baseline.mjs'
import { median } from './rounds.mjs'

/** @import { Bench } from './main.mjs' */
/** @import { Case } from './rounds.mjs' */

// tests/bench/disk-reads.c, which is built with PORT and SLICE.
const DISK = 0xd000_0000
const LOAD_ADDRESS = 0x1000
const PORT = 0x10
const SLICE = 256
const DEPTHS = [1, 32]
const DISK_SIZE = 1 << 20
const PATIENCE = 120_000

/** @type {Bench} */
export const virtio = {
  about: 'a read of 4 KiB from a virtio disk, beside the same queue served in C',
  rounds: 5,
  count: 5_000,
  prepare(count) {
    if (process.arch !== 'x64') throw new Error(`its guest is an x86 program; there is none for ${process.arch}`)
    const slices = Math.max(1, Math.floor(count / SLICE))
    const program = buildProgram('disk-reads-host')
    const folder = mkdtempSync(join(tmpdir(), 'node-kvm-bench-'))
    process.once('exit', () => rmSync(folder, { recursive: true }))
    const disk = join(folder, 'disk')
    writeFileSync(disk, Buffer.alloc(DISK_SIZE, 1))
    return DEPTHS.flatMap((depth) => {
      const image = buildGuestInC('disk-reads', { DEPTH: depth, SLICE, PORT })
      const floor = `C, depth ${depth}`
      /** @param {string} name @param {() => number[] | Promise<number[]>} measure @returns {Case} */
      const one = (name, measure) => ({
        ...{ name, against: floor, unit: 'µs' },
        measure: async () => median(await measure()) / SLICE / 1000,
      })
      return [
        one(floor, () => runProgram(program, image, PORT, disk, slices)),
        one(`node-kvm, depth ${depth}`, () => served(image, disk, slices)),
      ]
    })
  },
}

/** Nanoseconds of each slice. @param {string} image @param {string} path @param {number} slices @returns {Promise<number[]>} */
async function served(image, path, slices) {
  /** @type {number[]} */
  const figures = []
  // The first slice warms up.
  let start = NaN
  const disk = await openDisk(path, { readonly: true })
  const machine = await Machine.create({
    memory: '16M',
    boot: flat({ image, address: LOAD_ADDRESS, mode: 'real' }),
    devices: [
      {
        name: 'disk',
        device: (context) => new VirtioMmio(new Block(disk), context),
        resources: [{ memory: DISK, length: 0x200 }, { gsi: 5 }],
      },
      {
        name: 'slices',
        device: ({ effects }) => ({
          read: () => undefined,
          write: () => {
            const now = performance.now() * 1e6
            if (!Number.isNaN(start)) figures.push(now - start)
            start = now
            if (figures.length === slices) effects.exit(0, 0)
          },
        }),
        resources: [{ port: PORT, length: 1 }],
      },
    ],
  })
  try {
    const outcome = await machine.run({ timeout: PATIENCE })
    if (outcome.kind !== 'exit') throw new Error(describeOutcome(outcome))
    return figures
  } finally {
    machine.close()
  }
}
