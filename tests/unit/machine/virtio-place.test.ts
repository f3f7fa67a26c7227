// A virtio device at a place of its user's choice, and how Linux is told of it.
import { Rng } from 'node-kvm/virtio'
import { type DeviceNode, virtio, virtioParameter } from 'node-kvm/machine'
import { expect, test } from 'vitest'
import { expectRefusal } from '../../thrown.js'
import { fakeHost } from './host.js'

const place = { address: 0xd000_0200, gsi: 5 }

test('its registers and its line are where they are said to be, and where they are else', () => {
  const nodes: DeviceNode[] = []
  const add = (node: DeviceNode) => {
    nodes.push(node)
    return { read: () => undefined, write: () => undefined }
  }
  virtio(new Rng(), { place }).attach({ ...fakeHost(), add })
  virtio(new Rng()).attach({ ...fakeHost(), add })
  expect(nodes.map(({ resources }) => resources)).toEqual([
    [{ memory: 0xd000_0200, length: 512 }, { gsi: 5 }],
    [{ memory: 'any', length: 512 }, { gsi: 'any' }],
  ])
})

test('Linux is told size, address and line', () => {
  expect(virtioParameter(place)).toBe('virtio_mmio.device=512@0xd0000200:5')
})

test('a place that is none is refused', () => {
  for (const wrong of [
    { address: 1 },
    { address: -512 },
    { address: 2 ** 52 },
    { gsi: -1 },
    { gsi: 1.5 },
    { irq: 5 },
  ]) {
    expectRefusal(() => virtioParameter({ ...place, ...wrong }), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => virtio(new Rng(), { place: { ...place, ...wrong } }), 'ERR_KVM_INVALID_ARGUMENT')
  }
  expectRefusal(() => virtio(new Rng(), { transport: 'pci', place }), 'ERR_KVM_INVALID_ARGUMENT')
})
