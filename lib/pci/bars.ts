import { checkBoolean, checkInteger, checkOneOf, checkOptions, invalidArgument } from '../validate.js'
import type { PciBar } from './pci-device.js'
import * as R from './registers.js'

/** A BAR with all that a user may leave out. */
export type CheckedBar = Required<PciBar>

const KNOWN = ['kind', 'length', 'index', 'width', 'prefetchable', 'device']
const SMALLEST = { memory: 16, port: 4 }
const LARGEST = { memory32: 2 ** 31, memory64: 2 ** 40, port: 256 }

/** Checks what a function says of its BARs, and gives those and `others` their registers; those that say theirs come first. */
export function checkBars(own: readonly PciBar[], others: readonly PciBar[]): CheckedBar[] {
  if (!Array.isArray(own)) throw invalidArgument('bars', own, 'an array')
  const bars: readonly PciBar[] = [...(own as readonly PciBar[]), ...others]
  const taken = new Set<number>()
  const place = (bar: PciBar): CheckedBar => {
    const checked = checkBar(bar)
    const registers = checked.width === 64 ? 2 : 1
    const fits = (index: number) =>
      index + registers <= R.BAR_COUNT && !taken.has(index) && !taken.has(index + registers - 1)
    const index = bar.index ?? Array.from({ length: R.BAR_COUNT }, (_, at) => at).find(fits)
    if (index === undefined || !fits(index)) {
      throw invalidArgument('bars', index ?? bars.length, `of ${R.BAR_COUNT} registers; one of 64 bits takes two`)
    }
    for (let at = index; at < index + registers; at++) taken.add(at)
    return { ...checked, index }
  }
  const checked = new Map<PciBar, CheckedBar>()
  for (const bar of bars) if (bar.index !== undefined) checked.set(bar, place(bar))
  for (const bar of bars) if (bar.index === undefined) checked.set(bar, place(bar))
  return [...checked.values()].sort((a, b) => a.index - b.index)
}

function checkBar(bar: PciBar): Omit<CheckedBar, 'index'> {
  checkOptions('bar', bar, KNOWN)
  const { width = 32, device } = bar
  const kind = checkOneOf('bar.kind', bar.kind, ['memory', 'port'])
  if (bar.index !== undefined) checkInteger('bar.index', bar.index, 0, R.BAR_COUNT - 1)
  if (![32, 64].includes(width) || (kind === 'port' && width !== 32)) {
    throw invalidArgument('bar.width', width, kind === 'port' ? '32' : '32 or 64')
  }
  const most = kind === 'port' ? LARGEST.port : width === 32 ? LARGEST.memory32 : LARGEST.memory64
  const length = checkInteger('bar.length', bar.length, SMALLEST[kind], most)
  if (2 ** Math.round(Math.log2(length)) !== length) throw invalidArgument('bar.length', length, 'a power of two')
  const prefetchable = checkBoolean('bar.prefetchable', bar.prefetchable ?? false)
  if (prefetchable && kind === 'port') throw invalidArgument('bar.prefetchable', true, 'false for ports')
  if (
    typeof (device as Partial<PciBar['device']> | undefined)?.read !== 'function' ||
    typeof device.write !== 'function'
  ) {
    throw invalidArgument('bar.device', device, 'a device with read() and write()')
  }
  return { kind, length, width, prefetchable, device }
}

/** Bits of the command register that a guest can set. */
export function commandBits(bars: readonly CheckedBar[], pin = false): number {
  const has = (wanted: CheckedBar['kind']) => bars.some(({ kind }) => kind === wanted)
  return (
    (has('port') ? R.COMMAND_IO : 0) |
    (has('memory') ? R.COMMAND_MEMORY : 0) |
    (pin ? R.COMMAND_NO_INTX : 0) |
    (R.COMMAND_MASTER | R.COMMAND_ERRORS)
  )
}
