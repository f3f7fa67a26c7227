import { KvmError } from '../../errors.js'
import { checkBytes, checkInteger, checkOptions, checkUint64, invalidArgument, unknownName } from '../../validate.js'
import { CpuidTable } from './cpuid-table.js'
import {
  type ComponentPlace,
  componentPlaces,
  EXTENDED_AT,
  FIRST_EXTENDED,
  LEGACY_SIZE,
  XSAVE_COMPONENTS,
  type XsaveComponent,
} from './xsave-components.js'
import { LANE, opmaskPart, type Part, PKRU, xmmPart, ymmParts, zmmParts } from './xsave-parts.js'

// The legacy region (Intel SDM vol. 1, table 10-2).
const FCW_AT = 0
const FSW_AT = 2
const FTW_AT = 4
const MXCSR_AT = 24
const ST_AT = 32
const ST_SIZE = 10
const XMM_AT = 160
// The header.
const XSTATE_BV_AT = LEGACY_SIZE
const XCOMP_BV_AT = LEGACY_SIZE + 8

const FCW_INITIAL = 0x37f

/**
 * The XSAVE area of a vCPU (what KVM_GET_XSAVE and KVM_GET_XSAVE2 return), by component and register. It works on the bytes it is given,
 * in the standard format, which KVM uses, or in the compacted one. A component whose bit in XSTATE_BV is clear has its initial value, whatever its
 * bytes are; writing to it sets the bit.
 */
export class XsaveArea {
  readonly #bytes: Uint8Array
  readonly #data: DataView
  readonly #places: Map<number, ComponentPlace>

  /**
   * `cpuid` says where components lie: that of the host (`kvm.getSupportedCpuid()`), or of the vCPU. Throws `ERR_KVM_INVALID_ARGUMENT` for fewer
   * than 576 bytes, and for a header that contradicts leaf 0xd.
   */
  constructor(bytes: Uint8Array, cpuid: CpuidTable) {
    this.#bytes = checkBytes('bytes', bytes)
    if (bytes.length < EXTENDED_AT) throw invalidArgument('bytes.length', bytes.length, `at least ${EXTENDED_AT}`)
    if (!(cpuid instanceof CpuidTable)) throw invalidArgument('cpuid', cpuid, 'a CpuidTable')
    this.#data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#places = componentPlaces(cpuid, this.xcompBv)
    for (const [component, { offset, size }] of this.#places) {
      if (offset < EXTENDED_AT || offset + size > bytes.length) this.#places.delete(component)
    }
  }

  /** Which components the area holds values of. */
  get xstateBv(): bigint {
    return this.#data.getBigUint64(XSTATE_BV_AT, true)
  }

  set xstateBv(value: bigint) {
    this.#data.setBigUint64(XSTATE_BV_AT, checkUint64('xstateBv', value), true)
  }

  /** 0 in the standard format; in the compacted one bit 63, and which components there is room for. */
  get xcompBv(): bigint {
    return this.#data.getBigUint64(XCOMP_BV_AT, true)
  }

  /** The components that there is room for, in their order. */
  components(): XsaveComponent[] {
    return XSAVE_COMPONENTS.filter((_, bit) => bit < FIRST_EXTENDED || this.#places.has(bit))
  }

  /** Whether a component has another value than its initial one. */
  isInUse(component: XsaveComponent): boolean {
    return ((this.xstateBv >> BigInt(bitOf(component))) & 1n) === 1n
  }

  /** Puts a component back to its initial value. */
  reset(component: XsaveComponent): void {
    this.xstateBv &= ~(1n << BigInt(bitOf(component)))
  }

  /**
   * The bytes of a component beyond x87 and SSE, live; undefined where there is no room for it. They mean nothing unless isInUse().
   */
  component(component: XsaveComponent): Uint8Array | undefined {
    const place = this.#places.get(bitOf(component))
    return place && this.#bytes.subarray(place.offset, place.offset + place.size)
  }

  /** x87's control, status and abridged tag word. */
  get x87(): { fcw: number; fsw: number; ftw: number } {
    if (!this.isInUse('x87')) return { fcw: FCW_INITIAL, fsw: 0, ftw: 0 }
    const word = (at: number) => this.#data.getUint16(at, true)
    return { fcw: word(FCW_AT), fsw: word(FSW_AT), ftw: word(FTW_AT) & 0xff }
  }

  /** A copy of ST0 to ST7: 10 bytes. */
  st(index: number): Uint8Array {
    const at = ST_AT + LANE * checkInteger('index', index, 0, 7)
    return this.isInUse('x87') ? this.#bytes.slice(at, at + ST_SIZE) : new Uint8Array(ST_SIZE)
  }

  /** What is left out keeps its value. */
  setX87(registers: { fcw?: number; fsw?: number; ftw?: number }): void {
    const given = checkOptions('registers', registers, ['fcw', 'fsw', 'ftw'])
    const { fcw, fsw, ftw } = { ...this.x87, ...given }
    const words = [
      [FCW_AT, checkInteger('registers.fcw', fcw, 0, 0xffff)],
      [FSW_AT, checkInteger('registers.fsw', fsw, 0, 0xffff)],
      [FTW_AT, checkInteger('registers.ftw', ftw, 0, 0xff)],
    ] as const
    this.#use('x87')
    for (const [at, value] of words) this.#data.setUint16(at, value, true)
  }

  setSt(index: number, value: Uint8Array): void {
    const at = ST_AT + LANE * checkInteger('index', index, 0, 7)
    checkBytes('value', value, ST_SIZE)
    this.#use('x87')
    this.#bytes.set(value, at)
  }

  get mxcsr(): number {
    return this.#data.getUint32(MXCSR_AT, true)
  }

  set mxcsr(value: number) {
    this.#data.setUint32(MXCSR_AT, checkInteger('mxcsr', value, 0, 0xffff_ffff), true)
  }

  /** A copy of XMM0 to XMM15: 16 bytes. */
  xmm(index: number): Uint8Array {
    return this.#read([xmmPart(checkInteger('index', index, 0, 15))])
  }

  setXmm(index: number, value: Uint8Array): void {
    this.#write([xmmPart(checkInteger('index', index, 0, 15))], value)
  }

  /** A copy of YMM0 to YMM15: 32 bytes, of which XMM is the lower half. */
  ymm(index: number): Uint8Array {
    return this.#read(ymmParts(checkInteger('index', index, 0, 15)))
  }

  setYmm(index: number, value: Uint8Array): void {
    this.#write(ymmParts(checkInteger('index', index, 0, 15)), value)
  }

  /** A copy of ZMM0 to ZMM31: 64 bytes. */
  zmm(index: number): Uint8Array {
    return this.#read(zmmParts(checkInteger('index', index, 0, 31)))
  }

  setZmm(index: number, value: Uint8Array): void {
    this.#write(zmmParts(checkInteger('index', index, 0, 31)), value)
  }

  /** AVX-512's mask registers k0 to k7. */
  opmask(index: number): bigint {
    return toView(this.#read([opmaskPart(index)])).getBigUint64(0, true)
  }

  setOpmask(index: number, value: bigint): void {
    const bytes = new Uint8Array(8)
    toView(bytes).setBigUint64(0, checkUint64('value', value), true)
    this.#write([opmaskPart(index)], bytes)
  }

  /** The rights of the protection keys. */
  get pkru(): number {
    return toView(this.#read([PKRU])).getUint32(0, true)
  }

  set pkru(value: number) {
    const bytes = new Uint8Array(4)
    toView(bytes).setUint32(0, checkInteger('pkru', value, 0, 0xffff_ffff), true)
    this.#write([PKRU], bytes)
  }

  #read(parts: readonly Part[]): Uint8Array {
    const found = parts.map((part) => ({ part, bytes: this.#find(part) }))
    const result = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const { part, bytes } of found) {
      if (this.isInUse(part.component)) result.set(bytes, at)
      at += part.length
    }
    return result
  }

  /** Nothing is written unless all of it can be. */
  #write(parts: readonly Part[], value: Uint8Array): void {
    const targets = parts.map((part) => ({ part, bytes: this.#find(part) }))
    checkBytes(
      'value',
      value,
      parts.reduce((sum, { length }) => sum + length, 0),
    )
    let at = 0
    for (const { part, bytes } of targets) {
      this.#use(part.component)
      bytes.set(value.subarray(at, at + part.length))
      at += part.length
    }
  }

  /** Its other registers had their initial values, and are to have them in the bytes, too. */
  #use(component: XsaveComponent): void {
    if (this.isInUse(component)) return
    if (component === 'SSE') this.#bytes.fill(0, XMM_AT, XMM_AT + 16 * LANE)
    else if (component === 'x87') this.#startX87()
    else this.component(component)?.fill(0)
    this.xstateBv |= 1n << BigInt(bitOf(component))
  }

  #startX87(): void {
    this.#bytes.fill(0, 0, MXCSR_AT)
    this.#bytes.fill(0, ST_AT, ST_AT + 8 * LANE)
    this.#data.setUint16(FCW_AT, FCW_INITIAL, true)
  }

  #find({ component, offset, length }: Part): Uint8Array {
    if (component === 'SSE') return this.#bytes.subarray(XMM_AT + offset, XMM_AT + offset + length)
    const bytes = this.component(component)
    if (bytes !== undefined && offset + length <= bytes.length) return bytes.subarray(offset, offset + length)
    throw new KvmError('ERR_KVM_INVALID_ARGUMENT', `the XSAVE area has no room for ${component}`, {
      operands: { component, components: this.components() },
    })
  }
}

const toView = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

function bitOf(component: XsaveComponent): number {
  const bit = XSAVE_COMPONENTS.indexOf(component)
  if (bit < 0) throw unknownName('XSAVE component', component, XSAVE_COMPONENTS)
  return bit
}
