// What loaders take for guest memory: what throws where there is none, like vm.memory, and what says false, like vm.memory.dma.
import { loadFlat } from 'node-kvm/boot'
import { expect, test } from 'vitest'

import { expectRefusal } from '../../thrown.js'

const AT = 0x8000
const image = Uint8Array.of(0xf4)
const regions = [{ at: 0, size: 2 ** 20, readonly: false }]
const load = (answer: () => unknown) => {
  const written: number[] = []
  const write = (address: number) => {
    written.push(address)
    return answer()
  }
  loadFlat({ regions, write, fill: answer }, { image, address: AT, mode: 'real' })
  return written
}

test.each([undefined, true])('memory whose write() returns %s has been written', (answer) => {
  expect(load(() => answer)).toContain(AT)
})

test('memory that says false has not', () => {
  expectRefusal(() => load(() => false), 'ERR_KVM_OUTSIDE_MEMORY', /give the VM RAM there/)
})

test('what memory throws comes out', () => {
  const thrown = new Error('mine')
  const refuse = () => {
    throw thrown
  }
  expect(() => load(refuse)).toThrow(thrown)
})
