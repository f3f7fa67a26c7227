import { PHYSICAL_ADDRESS_END } from '../memory/accessors.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'

/** Where something lies: on a port or at a guest physical address. */
export type BusAddress = { port: number; address?: never } | { address: number; port?: never }

/** native/register_page.h, `enum class Space`. */
const SPACE = { port: 0, mmio: 1 }
const PORTS = 0x1_0000

/** A {@link BusAddress} for the native layer; `end` is one past the last one there is. */
export interface Place {
  space: number
  start: number
  end: number
}

/** Checks a port or an address among other options. */
export function place(name: string, value: unknown, others: string[] = []): Place {
  const { port, address } = checkOptions(name, value, ['port', 'address', ...others])
  if ((port === undefined) === (address === undefined)) throw invalidArgument(name, value, 'a port or an address')
  return port === undefined
    ? {
        space: SPACE.mmio,
        start: checkInteger('address', address, 0, PHYSICAL_ADDRESS_END - 1),
        end: PHYSICAL_ADDRESS_END,
      }
    : { space: SPACE.port, start: checkInteger('port', port, 0, PORTS - 1), end: PORTS }
}
