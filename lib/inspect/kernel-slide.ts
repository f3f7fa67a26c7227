import type { SystemState } from '../arch/x86/registers.js'
import type { LinearMemory } from './linear-memory.js'
import type { SymbolTable } from './symbols.js'

/** Linux on x86-64 moves itself by multiples of CONFIG_PHYSICAL_ALIGN, by less than KERNEL_IMAGE_SIZE. */
const ALIGNMENT = 2n ** 21n
const MAX_SLIDE = 2n ** 30n

const GATE_SIZE = 16n
const DIVIDE_ERROR = 0n
const PAGE_FAULT = 14n

/**
 * Linux's handlers of vectors 0 and 14, by age of kernel (arch/x86/kernel/idt.c). Two handlers that agree on the distance
 * leave no doubt.
 */
const HANDLERS = [
  ['asm_exc_divide_error', 'asm_exc_page_fault'],
  ['divide_error', 'page_fault'],
] as const

/**
 * How far a 64-bit Linux runs from where it was linked (KASLR), by comparing the handlers in its IDT with their symbols.
 * Undefined when the IDT is another one, as in a kernel that has not set it up yet.
 */
export function findKernelSlide(memory: LinearMemory, { idt }: SystemState, symbols: SymbolTable): bigint | undefined {
  const linked = symbols.withSlide(0n)
  const divide = gateTarget(memory, idt, DIVIDE_ERROR)
  const pageFault = gateTarget(memory, idt, PAGE_FAULT)
  if (divide === undefined || pageFault === undefined) return undefined
  for (const [divideName, pageFaultName] of HANDLERS) {
    const divideLinked = linked.addressOf(divideName)
    const pageFaultLinked = linked.addressOf(pageFaultName)
    if (divideLinked === undefined || pageFaultLinked === undefined) continue
    const slide = divide - divideLinked
    if (slide === pageFault - pageFaultLinked && slide % ALIGNMENT === 0n && slide >= 0n && slide < MAX_SLIDE) {
      return slide
    }
  }
  return undefined
}

/** Where a 64-bit interrupt gate leads (Intel SDM vol. 3A, figure 6-8). */
function gateTarget(memory: LinearMemory, idt: SystemState['idt'], vector: bigint): bigint | undefined {
  const end = (vector + 1n) * GATE_SIZE
  if (BigInt(idt.limit) + 1n < end) return undefined
  const { bytes } = memory.read(idt.base + vector * GATE_SIZE, Number(GATE_SIZE))
  if (bytes.length < Number(GATE_SIZE)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const offset = BigInt(view.getUint16(0, true)) | (BigInt(view.getUint16(6, true)) << 16n)
  return offset | (BigInt(view.getUint32(8, true)) << 32n)
}
