// The kernel's half of a network card, by hand; with guests: tests/lab/inside/linux-vhost.test.ts.
import { existsSync } from 'node:fs'
import { HostMemory, Kvm, openTapQueue, VhostNet } from 'node-kvm'
import { openTap } from 'node-kvm/machine'
import { expect, test } from 'vitest'
import { expectRefusal } from '../thrown.js'

const hasVhost = existsSync('/dev/vhost-net')
const hasTap = existsSync('/dev/net/tun')
const SIZE = 0x10_0000

test.skipIf(hasVhost || !hasTap)('without vhost-net a tap says what to do, and does without', () => {
  expectRefusal(() => openTap({ vhost: true }), 'ERR_KVM_NETWORK', /modprobe vhost_net/)
  openTap().close()
})

test('it has one pair of queues', () => {
  expectRefusal(() => openTap({ vhost: true, queues: 2 }), 'ERR_KVM_INVALID_ARGUMENT')
  expectRefusal(() => openTap({ vhost: 1 } as never), 'ERR_KVM_INVALID_ARGUMENT')
})

/** A VM with two regions of RAM and a ROM, and what serves a queue in it. */
function open() {
  const kvm = Kvm.open()
  const vm = kvm.createVm()
  const memory = HostMemory.allocate({ size: SIZE })
  const low = vm.addMemory({ at: 0, memory })
  vm.addMemory({ at: SIZE, size: SIZE })
  vm.addMemory({ at: 4 * SIZE, size: SIZE, readonly: true })
  const tap = openTapQueue('tap%d', false, () => undefined)
  const vhost = new VhostNet()
  vhost.setFeatures(1n << 32n)
  vhost.setMemory(vm.memory.dma)
  const [kick, call, error] = [vhost.event(), vhost.event(), vhost.event()]
  const start = (descriptors: number, available: number, used: number, size = 256) =>
    vhost.start(0, { size, descriptors, available, used, base: 0, kick, call, error }, tap)
  return {
    ...{ vm, memory, low, vhost, start },
    [Symbol.dispose]() {
      vhost.close()
      for (const each of [tap, kick, call, error, vm, kvm]) each.close()
      memory.close()
    },
  }
}

test.runIf(hasVhost)('a queue is where one piece of RAM is: first, last and one past', () => {
  using all = open()
  const { start, vhost } = all
  const [descriptors, available, used] = [0x1000, 0x3000, 0x4000]
  expect(start(descriptors, available, used)).toBe(true)
  expect(vhost.stop(0)).toBe(0)
  const end = 2 * SIZE
  expect(start(end - 16 * 256, available, used)).toBe(true)
  vhost.stop(0)
  for (const [where, ...parts] of [
    ['one past the end', end - 16 * 255, available, used],
    ['across two regions', SIZE - 16, available, used],
    ['outside', 3 * SIZE, available, used],
    ['ROM', 4 * SIZE, available, used],
    ['the available ring', descriptors, SIZE - 512, used],
    ['the used ring', descriptors, available, end - 2048],
    ['the end of all addresses', Number.MAX_SAFE_INTEGER, available, used],
  ] as const) {
    expect(start(...parts), where).toBe(false)
  }
})

test.runIf(hasVhost)(
  'what is no memory of the VM any more is out of reach; its addresses stay taken until then',
  () => {
    using all = open()
    const { vm, memory, low, vhost, start } = all
    const told: number[] = []
    vm.memory.dma.watch(() => told.push(vm.memory.regions.length))
    vm.removeMemory(low)
    expect(told).toEqual([2])
    vhost.setMemory(vm.memory.dma)
    expect(start(0x1000, 0x3000, 0x4000)).toBe(false)
    memory.close()
    expect(start(SIZE, SIZE + 0x2000, SIZE + 0x3000)).toBe(true)
    // The queue runs on, and finds zeros.
    vm.close()
    vhost.stop(0)
  },
)

test.runIf(hasVhost)('nobody makes it wait for this thread', () => {
  using all = open()
  const refused = () => all.memory.userfault({ missing: true }, () => undefined)
  expectRefusal(refused, 'ERR_KVM_MEMORY_IN_USE')
})
