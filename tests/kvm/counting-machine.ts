// A machine whose guest counts in its memory and says each number, and what hears it.
import type { DeviceNode, MachineOptions } from 'node-kvm/machine'
import { flat } from 'node-kvm/machine'
import { assemble } from './guests.js'

/** Where the guest keeps its number. */
export const COUNTER = 0x3000
/** Where it says it. */
export const PORT = 0x660

/** inc dword [COUNTER]; mov eax, [COUNTER]; mov dx, PORT; out dx, eax; and again. */
const COUNTS = [0x66, 0xff, 0x06, 0x00, 0x30, 0x66, 0xa1, 0x00, 0x30, 0xba, 0x60, 0x06, 0x66, 0xef, 0xeb, 0xf0]

export const counting: Pick<MachineOptions, 'boot' | 'memory'> = {
  memory: '4M',
  boot: flat({ image: assemble(COUNTS), address: 0x8000, mode: 'real' }),
}

/** Hears the numbers. */
export class Listener {
  readonly heard: number[] = []
  #waiting: { count: number; resolve: () => void } | undefined

  /** A device for one machine. */
  get node(): DeviceNode {
    return {
      name: 'listener',
      resources: [{ port: PORT, length: 4 }],
      device: {
        read: (_, data) => data.fill(0xff),
        write: (_, data) => {
          this.heard.push(Buffer.from(data).readUInt32LE())
          if (this.heard.length >= (this.#waiting?.count ?? Infinity)) this.#waiting?.resolve()
        },
      },
    }
  }

  /** Resolves when that many more have been heard. */
  async hear(more: number): Promise<void> {
    await new Promise<void>((resolve) => (this.#waiting = { count: this.heard.length + more, resolve }))
  }

  get first(): number {
    return this.heard[0] ?? 0
  }

  get last(): number {
    return this.heard.at(-1) ?? 0
  }

  /** Whether no number was lost or came twice, since the one at `index`. */
  isWhole(index = 0): boolean {
    const heard = this.heard.slice(index)
    return heard.every((number, at) => number === (heard[0] ?? 0) + at)
  }
}
