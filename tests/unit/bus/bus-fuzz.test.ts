// The bus against the simplest thing that does the same: an array with an owner for each address.
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { Bus, type BusMapping } from '../../../lib/bus/index.js'
import { fuzzRuns } from '../fuzz-runs.js'

const SIZE = 64

const step = fc.oneof(
  fc.record({
    kind: fc.constant('map' as const),
    start: fc.nat(SIZE - 1),
    length: fc.integer({ min: 1, max: 12 }),
    yields: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('unmap' as const), which: fc.nat(20) }),
  fc.record({ kind: fc.constant('read' as const), start: fc.nat(SIZE - 1), length: fc.integer({ min: 1, max: 8 }) }),
)

interface Args {
  kind: string
  start: number
  length: number
  yields: boolean
  which: number
}

test('every byte of an access reaches the device that has its address', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const bus = new Bus({ name: 'mmio', size: SIZE })
      const owners = new Array<number | undefined>(SIZE)
      const mapped: { mapping: BusMapping; id: number; yields: boolean }[] = []
      let ids = 0
      const free = (id: number) => owners.forEach((owner, at) => owner === id && (owners[at] = undefined))
      for (const { kind, ...args } of steps as Args[]) {
        const range = Array.from({ length: args.length }, (_, index) => args.start + index)
        if (kind === 'map') {
          const id = ids++
          const device = { read: (_: number, data: Uint8Array) => void data.fill(id), write: () => undefined }
          const map = () => bus.map(args.start, args.length, device, { yields: args.yields })
          const taken = mapped.filter((other) => range.some((at) => owners[at] === other.id))
          if (range.some((at) => at >= SIZE) || taken.some(({ yields }) => !yields)) {
            expect(map).toThrow()
          } else {
            // Those that give way stay in the list, so that some are unmapped later.
            for (const gone of taken) free(gone.id)
            mapped.push({ mapping: map(), id, yields: args.yields })
            for (const at of range) owners[at] = id
          }
        } else if (kind === 'unmap') {
          const [gone] = mapped.splice(args.which % Math.max(1, mapped.length), 1)
          gone?.mapping.unmap()
          if (gone !== undefined) free(gone.id)
        } else {
          const data = new Uint8Array(args.length)
          void bus.read(args.start, data)
          expect([...data]).toEqual(range.map((at) => owners[at] ?? 0xff))
        }
        const listed = bus.mappings.map((mapping) => mapped.find((other) => other.mapping === mapping)?.id)
        expect(listed).toEqual([...new Set(owners.filter((id) => id !== undefined))])
      }
    }),
    fuzzRuns(),
  )
})
