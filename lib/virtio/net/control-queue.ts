import type { Buffers } from '../buffers.js'
import type { Chain } from '../chain.js'
import { driverFault } from '../driver-fault.js'
import { isGroup, MAC_LENGTH, macKey } from './mac-address.js'
import { RX_MODES, type RxMode } from './receive-filter.js'

// Commands (virtio 1.2, 5.1.6.5): class, command, and what they need.
const CTRL_RX = 0
const CTRL_MAC = 1
const CTRL_MAC_TABLE_SET = 0
const CTRL_MAC_ADDR_SET = 1
const CTRL_ANNOUNCE = 3
const CTRL_ANNOUNCE_ACK = 0
const CTRL_MQ = 4
const CTRL_MQ_VQ_PAIRS_SET = 0
const COMMAND_SIZE = 2
const COUNT_SIZE = 4
const OK = 0
const ERR = 1
/** A list of addresses is the longest; one of thousands is no longer a list. */
const MAX_LENGTH = 0x1_0000

/** What commands do. Where one returns false, the driver hears that it did not work. */
export interface NetCommands {
  setMode(mode: RxMode, on: boolean): boolean
  setAddresses(unicast: number[], multicast: number[]): boolean
  setMac(mac: Uint8Array): boolean
  announced(): boolean
  setQueuePairs(pairs: number): boolean
}

/** Executes a command. */
export function execute({ readable, writable }: Chain, commands: NetCommands): number {
  if (writable.length === 0) throw driverFault('has left no room for the answer to a command')
  const done = readable.length <= MAX_LENGTH && perform(readable, commands)
  writable.set(Uint8Array.of(done ? OK : ERR))
  return 1
}

function perform(readable: Buffers, commands: NetCommands): boolean {
  const bytes = readable.copy()
  const [kind = -1, command = -1] = bytes
  const data = bytes.subarray(COMMAND_SIZE)
  if (kind === CTRL_RX) {
    const mode = RX_MODES[command]
    return mode !== undefined && data.length === 1 && commands.setMode(mode, data[0] !== 0)
  }
  if (kind === CTRL_MAC && command === CTRL_MAC_TABLE_SET) {
    const unicast = readTable(data)
    const multicast = unicast && readTable(data.subarray(unicast.length))
    return multicast !== undefined && unicast !== undefined && commands.setAddresses(unicast.keys, multicast.keys)
  }
  if (kind === CTRL_MAC && command === CTRL_MAC_ADDR_SET) {
    return data.length === MAC_LENGTH && !isGroup(data, 0) && commands.setMac(data)
  }
  if (kind === CTRL_ANNOUNCE && command === CTRL_ANNOUNCE_ACK) return data.length === 0 && commands.announced()
  if (kind === CTRL_MQ && command === CTRL_MQ_VQ_PAIRS_SET) {
    return data.length === 2 && commands.setQueuePairs((data[0] ?? 0) | ((data[1] ?? 0) << 8))
  }
  return false
}

/** A list of addresses with its length before it; `length` is in bytes. */
function readTable(data: Uint8Array): { keys: number[]; length: number } | undefined {
  if (data.length < COUNT_SIZE) return undefined
  const count = new DataView(data.buffer, data.byteOffset).getUint32(0, true)
  const length = COUNT_SIZE + MAC_LENGTH * count
  if (length > data.length) return undefined
  return { keys: Array.from({ length: count }, (_, index) => macKey(data, COUNT_SIZE + MAC_LENGTH * index)), length }
}
