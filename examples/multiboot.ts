// Lesson 17, multiboot: a kernel in 40 lines of C, booted by a machine that is ready-made
import { fileURLToPath } from 'node:url'
import { describeOutcome, kernel, Machine, serial } from 'node-kvm/machine'

// The lessons before this one built their machines by hand. This machine is a PC: serial lines, clock, interrupt controllers,
// an exit port at 0xf4; and it boots what has a header that says how.
using machine = await Machine.create({
  memory: '16M',
  boot: kernel({
    kernel: fileURLToPath(new URL('guests/multiboot.bin', import.meta.url)),
    name: 'multiboot', // by convention the first word of what a Multiboot kernel is told
    cmdline: 'count the memory',
  }),
  devices: [serial({ output: process.stdout })],
})

// How a run ended is a value, not an exception: the guest may switch off, reset, panic, or die.
const outcome = await machine.run({ timeout: 10_000 })
console.log(`host: ${outcome.kind === 'exit' ? `the guest is done: ${outcome.value}` : describeOutcome(outcome)}`)
