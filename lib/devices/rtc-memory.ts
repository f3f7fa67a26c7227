import { checkInteger, checkOptions } from '../validate.js'
import * as R from './rtc-registers.js'

const KIB = 1024
const MIB = 1024 * KIB
const UNIT_64K = 64 * KIB
const BASE_MEMORY_KIB = 640
/** An FPU, no diskette, display with its own BIOS. */
const EQUIPMENT_FPU = 1 << 1

/** What firmware reads in the clock's memory. */
export interface CmosContents {
  /** Guest memory below 4 GiB, from address 0, in bytes. */
  memoryBelow4G?: number
  /** Guest memory from 4 GiB on, in bytes. */
  memoryAbove4G?: number
  /** How many CPUs the machine has. */
  cpus?: number
  /** Further bytes, by their register from 0x0e to 0x7f. */
  bytes?: Readonly<Record<number, number>>
}

/** The bytes above the clock's own registers, as firmware expects them (SeaBIOS, QEMU's `pc`). */
export function cmosMemory(contents: CmosContents): Uint8Array {
  checkOptions('contents', contents, ['memoryBelow4G', 'memoryAbove4G', 'cpus', 'bytes'])
  const below = checkInteger('memoryBelow4G', contents.memoryBelow4G ?? 0, 0, 2 ** 32)
  const above = checkInteger('memoryAbove4G', contents.memoryAbove4G ?? 0, 0, 2 ** 52)
  const cpus = checkInteger('cpus', contents.cpus ?? 1, 1, 256)
  const cmos = new Uint8Array(R.CMOS_SIZE)
  const store = (register: number, bytes: number, value: number) => {
    const capped = Math.min(Math.max(Math.floor(value), 0), 0x100 ** bytes - 1)
    for (let index = 0; index < bytes; index++) cmos[register + index] = Math.floor(capped / 0x100 ** index) & 0xff
  }
  store(R.EQUIPMENT, 1, EQUIPMENT_FPU)
  store(R.BASE_MEMORY, 2, Math.min(below / KIB, BASE_MEMORY_KIB))
  store(R.EXTENDED_MEMORY, 2, (below - MIB) / KIB)
  store(R.EXTENDED_MEMORY_COPY, 2, (below - MIB) / KIB)
  store(R.MEMORY_ABOVE_16M, 2, (below - 16 * MIB) / UNIT_64K)
  store(R.MEMORY_ABOVE_4G, 3, above / UNIT_64K)
  store(R.OTHER_CPUS, 1, cpus - 1)
  for (const [register, value] of Object.entries(contents.bytes ?? {})) {
    const at = checkInteger('bytes', Number(register), R.REGISTER_D + 1, R.CMOS_SIZE - 1)
    cmos[at] = checkInteger(`bytes[${at}]`, value, 0, 0xff)
  }
  return cmos
}
