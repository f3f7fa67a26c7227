// The bus against the simplest thing that does the same: an array with an owner for each address.
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { Bus, type BusMapping } from '../../../lib/bus/index.js'
import { fuzzRuns } from '../fuzz-runs.js'

const SIZE = 64

const step = fc.oneof(
  fc.record({ kind: fc.constant('map' as const), start: fc.nat(SIZE - 1), length: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ kind: fc.constant('unmap' as const), which: fc.nat(20) }),
  fc.record({ kind: fc.constant('read' as const), start: fc.nat(SIZE - 1), length: fc.integer({ min: 1, max: 8 }) }),
)

test('every byte of an access reaches the device that has its address', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const bus = new Bus({ name: 'mmio', size: SIZE })
      const owners = new Array<number | undefined>(SIZE)
      const mapped: { mapping: BusMapping; id: number }[] = []
      let ids = 0
      for (const { kind, ...args } of steps as { kind: string; start: number; length: number; which: number }[]) {
        const range = Array.from({ length: args.length }, (_, index) => args.start + index)
        if (kind === 'map') {
          const id = ids++ % 0xf0
          const device = { read: (_: number, data: Uint8Array) => void data.fill(id), write: () => undefined }
          if (range.some((at) => at >= SIZE || owners[at] !== undefined)) {
            expect(() => bus.map(args.start, args.length, device)).toThrow()
          } else {
            mapped.push({ mapping: bus.map(args.start, args.length, device), id })
            for (const at of range) owners[at] = id
          }
        } else if (kind === 'unmap') {
          const [gone] = mapped.splice(args.which % Math.max(1, mapped.length), 1)
          gone?.mapping.unmap()
          owners.forEach((id, at) => id === gone?.id && (owners[at] = undefined))
        } else {
          const data = new Uint8Array(args.length)
          bus.read(args.start, data)
          expect([...data]).toEqual(range.map((at) => owners[at] ?? 0xff))
        }
      }
    }),
    fuzzRuns(),
  )
})
