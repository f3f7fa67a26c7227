// What is in an image after its writer has been killed.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDisk } from 'node-kvm/machine'
import { expectRejection } from '../thrown.js'
import { hasQemuImg, qemuImg, qemuImgCheck } from '../unit/disk/qemu-img.js'

const BLOCK = 4096
const WRITER = join(import.meta.dirname, 'fixtures', 'qcow2-writer.mjs')
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-killed-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe.runIf(hasQemuImg)('with qemu-img', () => {
  test('after kill -9 of its writer, what was flushed is in an image', { timeout: 120_000 }, async () => {
    const path = join(folder, 'killed.qcow2')
    qemuImg('create', '-q', '-f', 'qcow2', path, '1G')
    let next = 0
    for (let round = 0; round < 3; round++) {
      const writer = spawn(process.execPath, [WRITER, path, String(next)], { stdio: ['ignore', 'pipe', 'inherit'] })
      let acknowledged = next - 1
      for await (const line of createInterface({ input: writer.stdout })) {
        acknowledged = Number(line)
        if (acknowledged >= next + 20 * (round + 1)) writer.kill('SIGKILL')
      }
      if (writer.exitCode === null && writer.signalCode === null) await once(writer, 'exit')
      expect(writer.signalCode).toBe('SIGKILL')
      expect(qemuImgCheck(path)).not.toContain('corrupt')
      const disk = await openDisk(path, { format: 'qcow2', readonly: true })
      const bytes = Buffer.alloc(BLOCK)
      for (let index = 0; index <= acknowledged; index++) {
        await disk.read(index * 3 * 65_536, bytes)
        expect(bytes.readUInt32LE(0), `block ${index}`).toBe(index + 1)
      }
      await disk.close?.()
      next = acknowledged + 1
    }
  })

  test('a disk in use is locked for QEMU, too', async () => {
    const path = join(folder, 'locked.qcow2')
    qemuImg('create', '-q', '-f', 'qcow2', path, '1M')
    const disk = await openDisk(path, { format: 'qcow2' })
    expect(() => qemuImg('resize', path, '2M')).toThrow(/lock/)
    await disk.close?.()
    qemuImg('resize', '-q', path, '2M')
    await expectRejection(openDisk(path, { format: 'qcow2', backing: disk }), 'ERR_KVM_DISK')
  })
})
