import { checkInteger } from '../validate.js'
import { FUNCTIONS, SLOTS } from './registers.js'

/** Where a function is on its bus. */
export interface PciAddress {
  /** 0 to 31. */
  slot: number
  /** 0 to 7. */
  function: number
}

export function checkAddress({ slot, function: number }: PciAddress): PciAddress {
  return {
    slot: checkInteger('slot', slot, 0, SLOTS - 1),
    function: checkInteger('function', number, 0, FUNCTIONS - 1),
  }
}

/** `00:03.0`, as lspci has it. */
export function formatAddress({ slot, function: number }: PciAddress): string {
  return `00:${slot.toString(16).padStart(2, '0')}.${number}`
}
