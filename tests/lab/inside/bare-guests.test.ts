// Guests that are no Linux, see scripts/guests/bare.mjs: they look for what a PC has in ways of their own.
import { firmware, GuestConsole, kernel, linux, Machine, type MachineOptions, serial } from 'node-kvm/machine'
import { expect, onTestFinished, test } from 'vitest'
import { kernelPath, outcomeOf } from './linux.js'

interface Guests {
  xenImage: () => Uint8Array
  memtestPath: () => string
  ovmfPath: () => string
}

// By its address: the scripts are checked by a project of their own, with other settings.
const guests = (await import(new URL('../../../scripts/guests/bare.mjs', import.meta.url).href)) as Guests

const PATIENCE = 240_000

async function start(options: MachineOptions) {
  const console = new GuestConsole({ keep: 1 << 20 })
  const machine = await Machine.create({ ...options, devices: [serial({ console })] })
  onTestFinished(() => machine.close())
  const ended = machine.run({ timeout: PATIENCE })
  ended.catch(() => {})
  return { machine, console, ended, expect: (wanted: string) => console.expect(wanted, { timeout: PATIENCE }) }
}

test('Xen says what it is, and misses the kernel of dom0; nothing can wake it then', async () => {
  const boot = kernel({ kernel: guests.xenImage(), cmdline: 'com1=115200,8n1 console=com1 noreboot' })
  const guest = await start({ boot, memory: '512M' })
  await guest.expect('Xen version')
  await guest.expect('dom0 kernel not specified')
  await outcomeOf({ ...guest, second: guest.console }, 'halted')
})

test('Xen takes the kernel of dom0 from its Multiboot module, and builds dom0', async () => {
  const boot = kernel({
    kernel: guests.xenImage(),
    cmdline: 'com1=115200,8n1 console=com1 noreboot dom0_mem=256M',
    modules: [{ image: kernelPath('cloud'), cmdline: 'console=hvc0 panic=-1' }],
  })
  const guest = await start({ boot, memory: '1G' })
  for (const line of ['Xen version', 'System RAM: 1023MB', 'Dom0 kernel: 64-bit', 'Dom0 has maximum 1 VCPUs']) {
    await guest.expect(line)
  }
  await guest.machine.stop()
})

test('Memtest86+ finds the memory and tests it without an error', async () => {
  const boot = linux({ kernel: guests.memtestPath(), cmdline: 'console=ttyS0,115200 nosmp' })
  const guest = await start({ boot, memory: '64M' })
  for (const text of ['Memtest86+', 'Address test, walking ones', 'Errors: 0']) {
    await guest.expect(text)
  }
  expect(guest.console.text).not.toMatch(/Errors: +[1-9]/)
  await guest.machine.stop()
})

// The release build says nothing: what it does is seen by its accesses.
test('OVMF finds its memory by fw_cfg and gets to 64-bit mode; without a PCI host bridge it goes round in a circle', async () => {
  const machine = await Machine.create({ boot: firmware({ image: guests.ovmfPath() }), memory: '256M' })
  onTestFinished(() => machine.close())
  const BRIDGE_ID = 0x8000_0000
  let selected = 0
  let asked = 0
  let probedFlash: () => void = () => undefined
  const flash = new Promise<void>((resolve) => (probedFlash = resolve))
  machine.observe({
    exit({ exit }) {
      if (exit.reason === 'io' && exit.port === 0xcf8 && exit.direction === 'out') {
        selected = new DataView(exit.data.buffer, exit.data.byteOffset).getUint32(0, true)
      }
      if (exit.reason === 'io' && exit.port === 0xcfe && selected === BRIDGE_ID) asked++
      // The last thing that it tries: whether its variables are in flash memory that can be written.
      if (exit.reason === 'mmio' && exit.address === 0xffe0_0010 && exit.isWrite) probedFlash()
    },
  })
  const ended = machine.run({ timeout: PATIENCE })
  ended.catch(() => {})
  await flash
  expect(asked).toBeGreaterThan(1)
  await machine.pause()
  expect((machine.vm.vcpus[0]?.getSregs().efer ?? 0n) & 0x500n).toBe(0x500n)
  await machine.stop()
})
