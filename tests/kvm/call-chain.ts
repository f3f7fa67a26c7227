// A guest of nested calls with frame pointers, and its System.map: start calls outer, that calls middle, that calls inner.
import { flat, type MachineOptions } from 'node-kvm/machine'

export type Code = readonly number[]
/** What comes in place of a call's distance. */
interface Call {
  call: string
}
type Part = Code | Call

const dword = (value: number): Code => [0, 8, 16, 24].map((shift) => (value >> shift) & 0xff)

const ADDRESS = 0x8000
const PROLOGUE: Code = [0x55, 0x48, 0x89, 0xe5] // push rbp; mov rbp, rsp
const EPILOGUE: Code = [0x5d, 0xc3] // pop rbp; ret

/** Frames, when asked for: Linux's functions have none, and leave whatever they like in RBP. */
const body = (frames: boolean, ...parts: Part[]): Part[] =>
  frames ? [PROLOGUE, ...parts, EPILOGUE] : [...parts, [0xc3]]

export interface CallChain {
  options: Pick<MachineOptions, 'boot'>
  systemMap: Uint8Array
  addresses: Record<'start' | 'outer' | 'middle' | 'inner', number>
}

/** 64-bit code; `last` is what inner does. */
export function callChain(last: Code, { frames = true }: { frames?: boolean } = {}): CallChain {
  const functions: [string, Part[]][] = [
    // mov rsp, 0x7000; xor ebp, ebp, or some value in it; call outer; hlt
    [
      'start',
      [
        [0x48, 0xc7, 0xc4, ...dword(0x7000)],
        frames ? [0x31, 0xed] : [0xbd, ...dword(0x1234)],
        { call: 'outer' },
        [0xf4],
      ],
    ],
    ['outer', body(frames, { call: 'middle' })],
    ['middle', body(frames, { call: 'inner' })],
    ['inner', body(frames, last)],
  ]
  const addresses: Record<string, number> = {}
  let next = ADDRESS
  for (const [name, parts] of functions) {
    addresses[name] = next
    next += parts.reduce((sum, part) => sum + ('call' in part ? 5 : part.length), 0)
  }
  const image: number[] = []
  for (const part of functions.flatMap(([, parts]) => parts)) {
    if ('call' in part) image.push(0xe8, ...dword(addresses[part.call]! - (ADDRESS + image.length + 5)))
    else image.push(...part)
  }
  const lines = Object.entries({ ...addresses, end: next }).map(
    ([name, address]) => `${address.toString(16).padStart(16, '0')} ${name === 'end' ? 'D' : 'T'} ${name}\n`,
  )
  return {
    options: { boot: flat({ image: Uint8Array.from(image), address: ADDRESS, mode: 'long' }) },
    systemMap: new TextEncoder().encode(lines.join('')),
    addresses: addresses,
  }
}
