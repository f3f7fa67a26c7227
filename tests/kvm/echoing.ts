// Small guests with a serial line, for tests of node-kvm/testing.
import {
  type DeviceNode,
  flat,
  type GuestConsole,
  type MachineDevice,
  type MachineOptions,
  serial,
} from 'node-kvm/machine'
import { assemble } from './guests.js'

type Code = readonly number[]

const dword = (value: number): Code => [...new Uint8Array(Uint32Array.of(value).buffer)]
/** mov edx, value */
const movEdx = (value: number): Code => [0xba, ...dword(value)]
const COM1 = 0x3f8
const COM2 = 0x2f8
/** mov al, character; out dx, al */
const say = (text: string): Code => [...Buffer.from(text)].flatMap((byte) => [0xb0, byte, 0xee])
/** Waits for a byte, which is in al then: in al, dx; test al, 1; jz back */
const receive = (port: number): Code => [...movEdx(port + 5), 0xec, 0xa8, 1, 0x74, 0xfb, ...movEdx(port), 0xec]
/** cmp al, key; jne over the code; the code */
const on = (key: string, code: Code): Code => [0x3c, key.charCodeAt(0), 0x75, code.length, ...code]
/** jmp to the beginning of the code before it */
const again = (code: Code): Code => [0xe9, ...dword(-(code.length + 5))]

/** How many bytes the guest has received: a word behind its code. */
export const RECEIVED = 0x9000
/** Keys at which the guest does something; it echoes all others. */
export const UNDEFINED_INSTRUCTION = '\x01'
export const HALT_FOR_GOOD = '\x02'
export const EXIT_WITH_5 = '\x03'
export const WRITE_MUCH = '\x04'
export const PVPANIC = '\x05'

const WRITER = 0x660

/** A device that writes this to a console when the guest tells it to: faster than a guest can. */
export const writer = (console: GuestConsole, bytes: Uint8Array): DeviceNode => ({
  name: 'writer',
  resources: [{ port: WRITER, length: 1 }],
  device: {
    read: () => undefined,
    write: () => {
      for (let at = 0; at < bytes.length; at += 4096) console.receive(bytes.subarray(at, at + 4096))
    },
  },
})

const echo: Code = [
  ...receive(COM1),
  ...[0xff, 0x04, 0x25, ...dword(RECEIVED)], // inc dword [RECEIVED]
  ...on(UNDEFINED_INSTRUCTION, [0x0f, 0x0b]),
  ...on(HALT_FOR_GOOD, [0xfa, 0xf4]),
  ...on(EXIT_WITH_5, [0xb0, 5, 0xe6, 0xf4]),
  ...on(PVPANIC, [...movEdx(0x505), 0xb0, 1, 0xee]),
  ...on(WRITE_MUCH, [...movEdx(WRITER), 0xee, ...movEdx(COM1)]),
  0xee, // out dx, al
]

/** The text with which it says that it listens. */
export const READY = 'boots\nready\n'

/** A guest that says {@link READY} and then whatever it is sent. */
export const echoing = (console: GuestConsole, devices: DeviceNode[] = []): MachineOptions => ({
  memory: '16M',
  boot: flat({
    image: assemble([...movEdx(COM1), ...say(READY)], echo, again(echo)),
    address: 0x8000,
    mode: 'long',
  }),
  devices: [serial({ console }), ...devices],
})

/** jz over the code */
const unlessReady = (port: number, code: Code): Code => [...movEdx(port + 5), 0xec, 0xa8, 1, 0x74, code.length, ...code]
const pass = (from: number, to: number): Code => unlessReady(from, [...movEdx(from), 0xec, ...movEdx(to), 0xee])
const modem: Code = [...pass(COM1, COM2), ...pass(COM2, COM1)]

/** A guest that says `ready`, and then connects its two serial lines with each other. */
export const connecting = (first: MachineDevice, second: MachineDevice): MachineOptions => ({
  memory: '4M',
  boot: flat({
    image: assemble([...movEdx(COM1), ...say('ready\n')], modem, again(modem)),
    address: 0x8000,
    mode: 'long',
  }),
  devices: [first, second],
})
