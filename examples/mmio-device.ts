// Lesson 5, mmio-device: a device of ten lines, which the guest reaches through memory
import { readFileSync } from 'node:fs'
import { describeExit, Kvm } from 'node-kvm'

const LOAD_ADDRESS = 0x1000
const PORT_CONSOLE = 0xe9
const DICE_BASE = 0xd_0000
const DICE_SIZE = 8
const DICE_SEED = 0 // the offsets of the registers, as in guests/mmio-device.S
const DICE_THROW = 4

// A dice. It knows the offsets of its registers, not its address: where it sits is the machine's business.
// A guest may access any offset with any width; what the device does not know, it ignores.
class Dice {
  #state = 0
  write(offset: number, data: Uint8Array) {
    if (offset === DICE_SEED) this.#state = data.reduceRight((value, byte) => value * 256 + byte, 0)
  }
  read(offset: number, data: Uint8Array) {
    this.#state = (Math.imul(this.#state, 1_103_515_245) + 12_345) >>> 0 // the C standard's example of rand()
    data.fill(0)
    if (offset === DICE_THROW) data[0] = 1 + ((this.#state >>> 16) % 6)
  }
}

using kvm = Kvm.open()
using vm = kvm.createVm()
// Memory ends at 64 KiB. Any access beyond it, such as one to DICE_BASE, is an exit.
vm.addMemory({ at: 0, size: 0x1_0000 }).write(
  LOAD_ADDRESS,
  readFileSync(new URL('guests/mmio-device.bin', import.meta.url)),
)
using vcpu = vm.createVcpu(0)
vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n })

const dice = new Dice()
const isDice = (address: number) => address >= DICE_BASE && address < DICE_BASE + DICE_SIZE
for (let halted = false; !halted;) {
  const exit = vcpu.run()
  if (exit.reason === 'mmio' && isDice(exit.address)) {
    const offset = exit.address - DICE_BASE
    if (exit.isWrite) dice.write(offset, exit.data)
    else dice.read(offset, exit.data) // `data` is where the kernel looks for the answer when the guest runs on
  } else if (exit.reason === 'io' && exit.port === PORT_CONSOLE) process.stdout.write(exit.data)
  else if (exit.reason === 'hlt') halted = true
  else throw new Error(`unexpected exit: ${describeExit(exit)}`)
}
console.log()
