// Lesson 16, two-vms: two virtual machines talk to each other through a device in JavaScript
import { readFileSync } from 'node:fs'
import { describeExit, type Exit, Kvm, ValueCell, type Vm } from 'node-kvm'

const LOAD_ADDRESS = 0x1000
const PORT_CONSOLE = 0xe9
const PORT_DONE = 0xf4
const PORT_ROLE = 0x520 // guests/two-vms.c
const PORT_SEND = 0x521
const PORT_RECEIVE = 0x522

/** Bytes on their way to one of the guests, or a guest that waits for the next one. */
class Mailbox {
  readonly #bytes: number[] = []
  #deliver: ((byte: number) => void) | undefined

  send(byte: number): void {
    if (this.#deliver === undefined) this.#bytes.push(byte)
    else this.#deliver(byte)
    this.#deliver = undefined
  }

  receive(): Promise<number> {
    const byte = this.#bytes.shift()
    return byte === undefined ? new Promise((resolve) => (this.#deliver = resolve)) : Promise.resolve(byte)
  }
}

function play(vm: Vm, role: number, mine: Mailbox, theirs: Mailbox): Promise<void> {
  vm.addMemory({ at: 0, size: 0x40_0000 }).write(
    LOAD_ADDRESS,
    readFileSync(new URL('guests/two-vms.bin', import.meta.url)),
  )
  vm.mapCells({ port: PORT_ROLE }, [new ValueCell({ offset: 0, value: role })])
  const vcpu = vm.createVcpu(0)
  vcpu.setCpuid2(kvm.getSupportedCpuid())
  vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
  vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n })

  // A handler that returns a promise makes its guest wait, and nobody else.
  return vcpu.start((exit: Exit) => {
    if (exit.reason !== 'io') throw new Error(`unexpected exit: ${describeExit(exit)}`)
    if (exit.port === PORT_CONSOLE) process.stdout.write(exit.data)
    else if (exit.port === PORT_SEND) theirs.send(exit.data[0] ?? 0)
    else if (exit.port === PORT_DONE) void vcpu.stop()
    else if (exit.port === PORT_RECEIVE) return mine.receive().then((byte) => void (exit.data[0] = byte))
    return undefined
  })
}

using kvm = Kvm.open()
using first = kvm.createVm()
using second = kvm.createVm()
const mailboxes = [new Mailbox(), new Mailbox()] as const
await Promise.all([play(first, 0, mailboxes[0], mailboxes[1]), play(second, 1, mailboxes[1], mailboxes[0])])
