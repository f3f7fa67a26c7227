import { ConsoleTail } from '../inspect/console-tail.js'
import { LastExits } from '../inspect/last-exits.js'
import { describeExit } from '../kvm/describe-exit.js'
import type { Exit } from '../kvm/exits.js'

/** How much of the console a post-mortem shows. */
const CONSOLE_LINES = 20

/** What the guest did last, in its present life. */
export class Trail {
  #exits = new LastExits()
  #console = new ConsoleTail()

  /** A new life begins. */
  clear(): void {
    this.#exits = new LastExits()
    this.#console = new ConsoleTail()
  }

  exit(vcpu: number, exit: Exit): void {
    if (exit.reason === 'io') {
      this.#exits.io(vcpu, exit.direction === 'out', exit.port, exit.size, exit.count, exit.data)
    } else if (exit.reason === 'mmio') this.#exits.mmio(vcpu, exit.isWrite, exit.address, exit.data)
    else this.#exits.other(vcpu, describeExit(exit))
  }

  /** A write for which the guest did not wait. */
  posted(kind: 'out' | 'write', address: number, data: Uint8Array): void {
    this.#exits.posted(kind, address, data)
  }

  console(bytes: Uint8Array): void {
    this.#console.write(bytes)
  }

  report() {
    return { exits: this.#exits.report(), console: this.#console.lines(CONSOLE_LINES) }
  }
}
