// Machines on disk.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Machine, type MachineOptions, Snapshot } from 'node-kvm/machine'
import { describe, expect, onTestFinished, test } from 'vitest'
import { expectRejection } from '../thrown.js'
import { COUNTER, counting, Listener } from './counting-machine.js'
import { PATIENCE } from './amounts.js'
import { scriptPath } from './run-script.js'

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'node-kvm-snapshot-'))
  onTestFinished(() => {
    rmSync(path, { recursive: true })
  })
  return path
}

async function start(options: Partial<MachineOptions> = {}) {
  const listener = new Listener()
  const machine = await Machine.create({ ...counting, backing: 'memfd', ...options, devices: [listener.node] })
  void machine.run()
  onTestFinished(() => {
    machine.close()
  })
  await listener.hear(10)
  return { machine, listener }
}

async function open(directory: string): Promise<Snapshot> {
  const snapshot = await Snapshot.open(directory)
  onTestFinished(() => snapshot.close())
  return snapshot
}

async function restore(snapshot: Snapshot) {
  const listener = new Listener()
  const machine = await Machine.restore(snapshot, { devices: [listener.node] })
  onTestFinished(() => {
    machine.close()
  })
  void machine.run()
  await listener.hear(10)
  return { machine, listener }
}

/** The file with the memory. */
function memoryOf(directory: string): string {
  const { file: name } = JSON.parse(readFileSync(join(directory, 'state.json'), 'utf8').split('\n')[1] ?? '') as {
    file: string
  }
  return join(directory, name)
}

test.each(['memfd', 'anonymous'] as const)(
  'a machine with RAM in %s memory goes on, and another one from the snapshot',
  async (backing) => {
    const path = join(folder(), 'new', 'snapshot')
    const { machine, listener } = await start({ backing })
    const progress: [number, number][] = []
    const before = listener.last
    await machine.snapshot(path, { progress: (done, total) => progress.push([done, total]) })
    await listener.hear(20)
    expect(listener.isWhole()).toBe(true)
    expect(progress.at(-1)).toEqual([4 * 2 ** 20, 4 * 2 ** 20])
    const snapshot = await open(path)
    await snapshot.verify()
    // Of 4 MiB, the pages that are not zero.
    expect(snapshot.info).toMatchObject({ memory: 4 * 2 ** 20, directories: [path] })
    expect(snapshot.info.stored).toBeLessThan(2 ** 18)
    const { listener: heard } = await restore(snapshot)
    expect(heard.isWhole()).toBe(true)
    expect(heard.first).toBeGreaterThan(before)
    expect(heard.first).toBeLessThan(listener.last)
  },
)

test('a machine that is paused stays paused, and its snapshot is of that moment', async () => {
  const { machine, listener } = await start()
  await machine.pause()
  const path = folder()
  await machine.snapshot(path)
  const { listener: heard } = await restore(await open(path))
  // It may have counted, and not have said so yet.
  const counted = machine.vm.memory.readUint32(COUNTER)
  expect(heard.first).toBe(listener.last === counted ? counted + 1 : counted)
})

describe('what differs from another snapshot', () => {
  test('is all that is written, and enough for a machine, however many stand on each other', async () => {
    const [first, second, third, flat] = [folder(), folder(), folder(), folder()]
    const { machine } = await start()
    // More than the differences.
    for (let page = 0; page < 256; page++) machine.vm.memory.writeUint32(0x20_0000 + page * 4096, page + 1)
    await machine.snapshot(first)
    const base = await open(first)
    const { machine: restored, listener } = await restore(base)
    restored.vm.memory.writeUint32(0x20_0000, 0xcafe)
    await restored.snapshot(second, { base })
    const changed = await open(second)
    await changed.verify()
    expect(changed.info.directories).toEqual([second, first])
    expect(changed.info.stored).toBeLessThan(base.info.stored / 4)

    const { machine: later, listener: heard } = await restore(changed)
    expect(heard.first).toBeGreaterThan(listener.first)
    expect(later.vm.memory.readUint32(0x20_0000)).toBe(0xcafe)
    expect(later.vm.memory.readUint32(0x20_1000)).toBe(2)
    later.vm.memory.writeUint32(0x20_1000, 0xbeef)
    await later.rewind()
    expect(later.vm.memory.readUint32(0x20_0000)).toBe(0xcafe)
    expect(later.vm.memory.readUint32(0x20_1000)).toBe(2)
    later.vm.memory.writeUint32(0x20_2000, 0xf00d)
    await later.snapshot(third, { base: changed })
    const last = await open(third)
    expect(last.info.directories).toEqual([third, second, first])

    await last.flatten(flat)
    const whole = await open(flat)
    await whole.verify()
    expect(whole.info.directories).toEqual([flat])
    const { machine: end } = await restore(whole)
    expect([0, 1, 2, 3].map((page) => end.vm.memory.readUint32(0x20_0000 + page * 4096))).toEqual([
      0xcafe, 2, 0xf00d, 4,
    ])
  })

  test('is known of the snapshot that was taken last of memory in a memfd, and of nothing else', async () => {
    const { machine } = await start()
    const path = folder()
    await machine.snapshot(path)
    const base = await open(path)
    machine.vm.memory.writeUint32(0x20_0000, 7)
    const differences = folder()
    await machine.snapshot(differences, { base })
    const { machine: made } = await restore(await open(differences))
    expect(made.vm.memory.readUint32(0x20_0000)).toBe(7)

    const { machine: other } = await start({ backing: 'anonymous' })
    const elsewhere = folder()
    await other.snapshot(elsewhere)
    await expectRejection(
      other.snapshot(folder(), { base: await open(elsewhere) }),
      'ERR_KVM_SNAPSHOT',
      /leave `base` out/,
    )
    await expectRejection(other.snapshot(folder(), { base }), 'ERR_KVM_SNAPSHOT', /leave `base` out/)
  })

  test('is not known any more of a machine that was put back, and does not replace what it stands on', async () => {
    const [first, second] = [folder(), folder()]
    const { machine } = await start()
    await machine.snapshot(first)
    const base = await open(first)
    const { machine: restored } = await restore(base)
    await restored.snapshot(second, { base })
    await expectRejection(restored.snapshot(first, { base }), 'ERR_KVM_SNAPSHOT', /take another directory/)
    await base.verify()
    const changed = await open(second)
    await restored.rewind()
    await expectRejection(restored.snapshot(folder(), { base: changed }), 'ERR_KVM_SNAPSHOT', /leave `base` out/)
    await restored.snapshot(second, { base })
  })

  test('does not go with another snapshot in the place of the first', async () => {
    const [first, second] = [folder(), folder()]
    const { machine } = await start()
    await machine.snapshot(first)
    const base = await open(first)
    await machine.snapshot(second, { base })
    await machine.snapshot(first)
    await expectRejection(Snapshot.open(second), 'ERR_KVM_SNAPSHOT', /stands on the snapshot .* has another one now/)
    rmSync(join(first, 'state.json'))
    await expectRejection(Snapshot.open(second), 'ERR_KVM_SNAPSHOT', /there is no whole snapshot/)
  })
})

describe('a snapshot that was damaged is refused:', () => {
  async function taken() {
    const path = folder()
    const { machine } = await start()
    await machine.snapshot(path)
    return { path, state: join(path, 'state.json'), memory: memoryOf(path) }
  }

  test('one that is not there, or has no state', async () => {
    const { path, state } = await taken()
    rmSync(state)
    await expectRejection(Snapshot.open(path), 'ERR_KVM_SNAPSHOT', /no whole snapshot/)
    await expectRejection(Snapshot.open(join(path, 'nowhere')), 'ERR_KVM_SNAPSHOT', /no whole snapshot/)
  })

  test('any bit of the state', async () => {
    const { path, state } = await taken()
    const bytes = readFileSync(state)
    for (let at = 0; at < bytes.length; at += 1 + Math.floor(bytes.length / 200)) {
      const wrong = Buffer.from(bytes)
      wrong[at] = (wrong[at] ?? 0) ^ 4
      writeFileSync(state, wrong)
      await expectRejection(Snapshot.open(path), 'ERR_KVM_SNAPSHOT', /cannot be restored/)
    }
    for (const length of [0, 1, 40, bytes.length >> 1, bytes.length - 2]) {
      writeFileSync(state, bytes.subarray(0, length))
      await expectRejection(Snapshot.open(path), 'ERR_KVM_SNAPSHOT', /cannot be restored/)
    }
    writeFileSync(state, bytes)
    await (await open(path)).verify()
  })

  test('another version', async () => {
    const { path, state } = await taken()
    writeFileSync(state, readFileSync(state, 'utf8').replace('"version":1', '"version":9'))
    await expectRejection(Snapshot.open(path), 'ERR_KVM_SNAPSHOT', /version 9, and this library reads version 1/)
  })

  test('a memory file that is gone, or shorter', async () => {
    const { path, memory } = await taken()
    truncateSync(memory, statSync(memory).size - 4096)
    await expectRejection(Snapshot.open(path), 'ERR_KVM_SNAPSHOT', /cut off/)
    rmSync(memory)
    await expectRejection(Snapshot.open(path), 'ERR_KVM_SNAPSHOT', /memory file cannot be opened/)
  })

  test('what is no file', async () => {
    const { path, state, memory } = await taken()
    rmSync(memory)
    execFileSync('mkfifo', [memory])
    await expectRejection(Snapshot.open(path), 'ERR_KVM_SNAPSHOT', /memory-/)
    rmSync(state)
    execFileSync('mkfifo', [state])
    await expectRejection(Snapshot.open(path), 'ERR_KVM_SNAPSHOT', /no file/)
  })

  test('memory that differs, when it is verified', async () => {
    const { path, memory } = await taken()
    const bytes = readFileSync(memory)
    bytes[COUNTER] = (bytes[COUNTER] ?? 0) ^ 1
    writeFileSync(memory, bytes)
    const snapshot = await open(path)
    await expectRejection(snapshot.verify(), 'ERR_KVM_SNAPSHOT', /guest address 0x0 on is not what was written/)
  })
})

test('a snapshot replaces another one in its directory once it is whole, and leaves no file of it', async () => {
  const path = folder()
  const { machine } = await start()
  await machine.snapshot(path)
  const before = await open(path)
  await machine.snapshot(path)
  const after = await open(path)
  expect(after.info.id).not.toBe(before.info.id)
  expect(readdirSync(path)).toHaveLength(2)
  // Who has the old one open has it still.
  await before.verify()
  await restore(before)
})

test('several at once into one directory are taken one after the other, and what else is there stays', async () => {
  const path = folder()
  const { machine } = await start()
  mkdirSync(join(path, 'memory-0123456789abcdef'))
  writeFileSync(join(path, 'memory-2024'), 'mine')
  await Promise.all([machine.snapshot(path), machine.snapshot(path), machine.snapshot(path)])
  const snapshot = await open(path)
  await snapshot.verify()
  await restore(snapshot)
  expect(readdirSync(path).sort()).toEqual(
    ['memory-0123456789abcdef', 'memory-2024', basename(memoryOf(path)), 'state.json'].sort(),
  )
})

test('where it cannot be written, the old one stays, and the machine goes on', async () => {
  const path = folder()
  const { machine, listener } = await start()
  await machine.snapshot(path)
  const { id } = (await open(path)).info
  writeFileSync(join(path, 'file'), '')
  await expectRejection(machine.snapshot(join(path, 'file')), 'ERR_KVM_SNAPSHOT', /could not be written/)
  await listener.hear(5)
  expect((await open(path)).info.id).toBe(id)
})

test(
  'a process that is killed while it takes one leaves the one before, or the new one',
  { timeout: PATIENCE },
  async () => {
    const path = folder()
    for (let times = 0; times < 8; times++) {
      const child = spawn(process.execPath, [scriptPath('snapshots'), path], { stdio: ['ignore', 'pipe', 'inherit'] })
      await once(child.stdout, 'data')
      await new Promise((resolve) => setTimeout(resolve, times * 7))
      child.kill('SIGKILL')
      await once(child, 'exit')
      const snapshot = await open(path)
      await snapshot.verify()
      const { listener } = await restore(snapshot)
      expect(listener.isWhole()).toBe(true)
    }
    // What the last one left half done is gone with the next.
    const { machine } = await start()
    await machine.snapshot(path)
    expect(readdirSync(path)).toHaveLength(2)
  },
)

test('the directory may be moved and copied, and is open to its owner alone', async () => {
  const [path, copy] = [folder(), join(folder(), 'copy')]
  const { machine } = await start()
  await machine.snapshot(path)
  cpSync(path, copy, { recursive: true })
  rmSync(memoryOf(path))
  expect(existsSync(memoryOf(copy))).toBe(true)
  expect(statSync(memoryOf(copy)).mode & 0o077).toBe(0)
  await restore(await open(copy))
  copyFileSync(memoryOf(copy), join(path, 'memory-0'))
})
