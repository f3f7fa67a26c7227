import { hex } from '../../format.js'
import type { BootPlan } from '../boot-plan.js'
import type { ImageReader } from '../../image/image-reader.js'

/** The address fields of a header, which load a file that is no ELF one ("a.out kludge"). */
export interface AddressFields {
  /** Where the header lies in the file, and where the four fields do. */
  headerOffset: number
  fieldsOffset: number
}

/** load_addr (Multiboot 2.0, 3.1.5). Version 1 does not know it; there it could only be an error. */
const FROM_FILE_START = 0xffff_ffff

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

  // -1 means from the file's beginning, and so that much below the header.
  const start = load.value === FROM_FILE_START ? header.value - headerOffset : load.value
  if (start < 0) throw refuse(header, `lies less than ${hex(headerOffset)} bytes above 0`)
  if (start > header.value) throw refuse(load, `lies above header_addr, ${hex(header.value)}`)
  const from = headerOffset - (header.value - start)
  if (from < 0) throw refuse(load, `lies ${hex(-from)} bytes before the file's start`)
  // 0 means up to the file's end, and no bss.
  const length = loadEnd.value === 0 ? reader.length - from : loadEnd.value - start
  if (length <= 0) throw refuse(loadEnd, `leaves nothing to load from ${hex(start)} on`)
  if (from + length > reader.length)
    throw refuse(loadEnd, `needs ${hex(from + length)} bytes of a file of ${hex(reader.length)}`)
  const end = bssEnd.value === 0 ? start + length : bssEnd.value
  if (end < start + length) throw refuse(bssEnd, `lies below the end of what is loaded`)
  plan.put({
    name: 'kernel',
    start,
    content: reader.slice('load_addr', from, length),
    size: end - start,
    zeroed: true,
    fault: { image: reader.image, field: 'load_addr', offset: load.offset },
  })
  return { start, end }
}
