// What the tests of threaded vCPUs share.
import type { Exit, ExitHandler, Vcpu } from 'node-kvm'

import type { Machine } from './machine.js'

/** Runs the vCPU on its thread until it halts. `handler` gets every other exit. */
export function runToHalt(vcpu: Vcpu, handler: ExitHandler = unexpected): Promise<void> {
  return vcpu.start((exit) => {
    if (exit.reason !== 'hlt') return handler(exit)
    vcpu.stop().catch(() => undefined) // start() tells as well
  })
}

function unexpected(exit: Exit): never {
  throw new Error(`unexpected exit: ${exit.reason}`)
}

/** Another vCPU of the machine in real mode, about to execute what is at `start`. */
export function addVcpu({ vm }: Machine, id: number, start: number): Vcpu {
  const vcpu = vm.createVcpu(id)
  vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
  vcpu.setRegs({ rip: BigInt(start), rsp: BigInt(0x8000 + 0x100 * id), rflags: 2n })
  return vcpu
}

/** One turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** Turns of the event loop until that holds. One that never does is ended by the test's own timeout. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1))
}

/** A promise, and what settles it. */
export function deferred(): { promise: Promise<void>; resolve: () => void; reject: (error: unknown) => void } {
  let resolve!: () => void
  let reject!: (error: unknown) => void
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

/** The event loop stands still that long: the vCPU threads run, JavaScript does not. */
export function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}
