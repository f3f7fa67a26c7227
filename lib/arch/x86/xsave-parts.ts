import { checkInteger } from '../../validate.js'
import type { XsaveComponent } from './xsave-components.js'

// The registers whose parts several components hold (Intel SDM vol. 1, 13.5). Vectors have lanes of 16 bytes.
export const LANE = 16

/** What makes up a vector register: of which component, and where in that it lies, in bytes. */
export interface Part {
  component: XsaveComponent
  offset: number
  length: number
}

export const PKRU: Part = { component: 'PKRU', offset: 0, length: 4 }

export const opmaskPart = (index: number): Part => ({
  component: 'opmask',
  offset: 8 * checkInteger('index', index, 0, 7),
  length: 8,
})

export const xmmPart = (index: number): Part => ({ component: 'SSE', offset: LANE * index, length: LANE })

export const ymmParts = (index: number): Part[] => [
  xmmPart(index),
  { component: 'AVX', offset: LANE * index, length: LANE },
]

export const zmmParts = (index: number): Part[] =>
  index < 16
    ? [...ymmParts(index), { component: 'ZMM_Hi256', offset: 32 * index, length: 32 }]
    : [{ component: 'Hi16_ZMM', offset: 64 * (index - 16), length: 64 }]
