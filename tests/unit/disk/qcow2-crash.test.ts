// What is in an image after its host has died at any moment.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Disk } from '../../../lib/disk/disk.js'
import { openDiskWith } from '../../../lib/disk/open-disk.js'
import { readHeader } from '../../../lib/disk/qcow2/header.js'
import { ImageFile } from '../../../lib/disk/qcow2/image-file.js'
import { Qcow2Disk } from '../../../lib/disk/qcow2/qcow2-disk.js'
import { hasQemuImg, qemuImg, qemuImgCheck } from './qemu-img.js'

const BLOCK = 4096
const SIZE = 2 ** 20
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-crash-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

type Step = 'flush' | { offset: number; bytes: Buffer }

/** A disk that remembers what was done to it, in order. */
function recorder(before: Buffer) {
  let now: Buffer = Buffer.from(before)
  const steps: Step[] = []
  const disk: Disk = {
    size: before.length,
    read: (offset, bytes) => bytes.set(now.subarray(offset, offset + bytes.length)),
    write: (offset, bytes) => {
      const copy = Buffer.from(bytes)
      steps.push({ offset, bytes: copy })
      now = apply(now, { offset, bytes: copy })
    },
    flush: () => steps.push('flush'),
  }
  return { disk, steps }
}

function apply(file: Buffer, step: Step): Buffer {
  if (step === 'flush') return file
  const longer = Buffer.alloc(Math.max(file.length, step.offset + step.bytes.length))
  file.copy(longer)
  step.bytes.copy(longer, step.offset)
  return longer
}

describe.runIf(hasQemuImg)('a crash', () => {
  test(
    'of the host, at any moment: no cluster is lost or mixed up, and what was flushed is there',
    { timeout: 180_000 },
    async () => {
      const path = join(folder, 'crash.qcow2')
      // Small clusters, so that all kinds of tables come.
      qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4096', path, String(SIZE * 16))
      const before = readFileSync(path)
      const { disk: below, steps } = recorder(before)
      const disk = await Qcow2Disk.open(new ImageFile(path, below), readHeader(path, before, before.length), false)
      /** Until which step, and what is there then for certain. */
      const flushed: { steps: number; model: Map<number, number> }[] = [{ steps: 0, model: new Map() }]
      const model = new Map<number, number>()
      for (let round = 1; round <= 12; round++) {
        for (let each = 0; each < 5; each++) {
          // Never the same block twice: so a block is as it was before, or as it was written.
          const block = (round * 5 + each) * 37
          await disk.write?.(block * BLOCK, Buffer.alloc(BLOCK, round))
          model.set(block, round)
        }
        if (round % 2 === 0) {
          await disk.flush?.()
          flushed.push({ steps: steps.length, model: new Map(model) })
        }
      }

      let seed = 1
      const coin = () => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) & 0x8000_0000) !== 0
      for (let end = 1; end <= steps.length; end += 7) {
        // What came before the last flush is there, of the rest some.
        const lastFlush = steps.slice(0, end).lastIndexOf('flush')
        let file: Buffer = before
        for (const [index, step] of steps.slice(0, end).entries()) {
          if (index < lastFlush || coin()) file = apply(file, step)
        }
        const crashed = join(folder, 'crashed.qcow2')
        writeFileSync(crashed, file)
        expect(qemuImgCheck(crashed), `after step ${end}`).not.toContain('corrupt')
        const certain = flushed.findLast((each) => each.steps <= end)?.model ?? new Map<number, number>()
        const again = await openDiskWith(crashed, { format: 'qcow2' }, undefined)
        for (const [block, value] of certain) {
          const bytes = Buffer.alloc(BLOCK)
          await again.read(block * BLOCK, bytes)
          expect(bytes.equals(Buffer.alloc(BLOCK, value)), `block ${block} after step ${end}`).toBe(true)
        }
        await again.close?.()
      }
    },
  )
})
