import { hex } from '../../format.js'
import type { BootPlan } from '../boot-plan.js'
import type { ImageReader } from '../image-reader.js'

/** The address fields of a header, which load a file that is no ELF one ("a.out kludge"). */
export interface AddressFields {
  /** Where the header lies in the file, and where the four fields do. */
  headerOffset: number
  fieldsOffset: number
}

/** Plans the file as its header says (Multiboot 0.6.96, 3.1.3; Multiboot 2.0, 3.1.5). Returns the range of addresses. */
export function planByAddressFields(
  plan: BootPlan,
  reader: ImageReader,
  { headerOffset, fieldsOffset }: AddressFields,
): { start: number; end: number } {
  const field = (name: string, index: number) => {
    const offset = fieldsOffset + 4 * index
    return { name, offset, value: reader.uint32(name, offset) }
  }
  const header = field('header_addr', 0)
  const load = field('load_addr', 1)
  const loadEnd = field('load_end_addr', 2)
  const bssEnd = field('bss_end_addr', 3)
  const refuse = ({ name, offset, value }: typeof header, problem: string) =>
    reader.fault(name, offset, `${hex(value)} ${problem}`)

  const from = headerOffset - (header.value - load.value)
  if (load.value > header.value) throw refuse(load, `lies above header_addr, ${hex(header.value)}`)
  if (from < 0) throw refuse(load, `lies ${hex(-from)} bytes before the file's start`)
  // 0 means up to the file's end, and no bss.
  const length = loadEnd.value === 0 ? reader.length - from : loadEnd.value - load.value
  if (length <= 0) throw refuse(loadEnd, `leaves nothing to load from ${hex(load.value)} on`)
  if (from + length > reader.length)
    throw refuse(loadEnd, `needs ${hex(from + length)} bytes of a file of ${hex(reader.length)}`)
  const end = bssEnd.value === 0 ? load.value + length : bssEnd.value
  if (end < load.value + length) throw refuse(bssEnd, `lies below the end of what is loaded`)
  plan.put({
    name: 'kernel',
    start: load.value,
    content: reader.slice('load_addr', from, length),
    size: end - load.value,
    zeroed: true,
    fault: { image: reader.image, field: 'load_addr', offset: load.offset },
  })
  return { start: load.value, end }
}
