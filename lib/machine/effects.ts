import type { MachineEffects } from '../bus/device-context.js'
import type { Life } from './life.js'
import type { Observers } from './observers.js'
import type { Trail } from './trail.js'

/** What devices do to a machine. `life` returns the guest's present one. */
export function machineEffects(life: () => Life, trail: Trail, observers: Observers): MachineEffects {
  return {
    powerOff: () => {
      life().end({ kind: 'power-off' })
    },
    reset: (cause) => {
      life().end({ kind: 'reset', cause })
    },
    exit: (code, value) => {
      life().end({ kind: 'exit', code, value })
    },
    panic: () => {
      life().end({ kind: 'panic' })
    },
    suspend: () => {
      life().end({ kind: 'suspend' })
    },
    console: (bytes) => {
      trail.console(bytes)
      observers.tell('console', bytes)
    },
    needsReset: (device, error) => {
      try {
        observers.tell('needsReset', device, error)
      } catch (thrown) {
        // Not always within an access: nobody else would hear of it.
        life().fail(thrown)
      }
    },
    postCode: (code) => {
      observers.tell('postCode', code)
    },
  }
}
