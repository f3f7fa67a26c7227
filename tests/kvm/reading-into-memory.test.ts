// What the kernel may still do with guest memory when its VM has gone: a disk's reads go straight into it.
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, read, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { Kvm } from '../../lib/index.js'

const PAGE = 0x1000

test('a read into guest memory that ends after the VM was closed harms nobody', async () => {
  const fifo = join(mkdtempSync(join(tmpdir(), 'node-kvm-')), 'fifo')
  execFileSync('mkfifo', [fifo])
  const fd = openSync(fifo, constants.O_RDWR)
  const kvm = Kvm.open()
  const vm = kvm.createVm()
  vm.addMemory({ at: 0, size: 16 * PAGE })
  const [piece] = vm.memory.dma.slices(PAGE, PAGE, 'write') ?? []
  if (piece === undefined) throw new Error('there is memory')
  piece.fill(7)
  // It waits in the kernel for somebody to write.
  const reading = promisify(read)(fd, piece, 0, PAGE, null)
  await new Promise((resolve) => setTimeout(resolve, 50))
  vm.close()
  expect(vm.memory.dma.slices(PAGE, PAGE, 'write')).toBeUndefined()
  // Whoever gets memory now does not get these addresses.
  const others = Array.from({ length: 8 }, () => {
    const other = kvm.createVm()
    other.addMemory({ at: 0, size: 16 * PAGE })
    return other
  })
  writeSync(fd, 'from the disk')
  expect((await reading).bytesRead).toBe(13)
  closeSync(fd)
  for (const other of others) expect(other.memory.read(0, 16 * PAGE).every((byte) => byte === 0)).toBe(true)
  expect(piece.length).toBe(PAGE)
  expect(piece[PAGE - 1]).toBe(0)
  kvm.close()
})
