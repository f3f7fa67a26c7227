// The entry states on a real vCPU: tiny guests, loaded by each protocol, say what they find.
import { type DeviceMemory, Kvm } from 'node-kvm'
import { expect, test } from 'vitest'

import {
  type BootResult,
  loadBzImage,
  loadElf,
  loadFirmware,
  loadFlat,
  loadMultiboot,
  loadMultiboot2,
  loadPvh,
  loadVmlinux,
} from '../../lib/boot/index.js'
import { buildMpTable, loadAcpiTables } from '../../lib/platform/index.js'
import { MACHINE } from '../unit/platform/acpi/machine.js'
import {
  bzImage,
  elf,
  multiboot1Header,
  multiboot2Header,
  note,
  PHYS32_ENTRY,
  PT_NOTE,
  SETUP_SIZE,
  uint32,
} from '../unit/boot/images.js'
import { run } from './machine.js'

const MIB = 1024 ** 2
const LOAD = 0x10_0000
const BOOT_INFO = 0x1_0000

// 32-bit and 64-bit code alike.
const PORT = [0xba, 0x00, 0x05, 0x00, 0x00] // mov edx, 0x500
const OUT = [0xef] // out dx, eax
const HLT = [0xf4]
const EBX = [0x89, 0xd8] // mov eax, ebx
const ESI = [0x89, 0xf0] // mov eax, esi
const AT_EBX = [0x8b, 0x03] // mov eax, [rbx]
const AT_ESI = [0x8b, 0x86] // mov eax, [rsi + disp32]
/** Loads the data segments again, from the GDT that the loader has left. */
const RELOAD = [0x66, 0xb8, 0x18, 0x00, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0] // mov ax, 0x18; mov ds/es/ss, ax

/** Runs until the guest halts, and returns what it has written to the port. */
function outputs(load: (memory: DeviceMemory) => BootResult): number[] {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  vm.addMemory({ at: 0, size: 64 * MIB })
  const { entry } = load(vm.memory.dma)
  const vcpu = vm.createVcpu(0)
  vcpu.setCpuid2(kvm.getSupportedCpuid())
  vcpu.setSregs(entry.sregs)
  vcpu.setRegs(entry.regs)
  const written: number[] = []
  for (;;) {
    const exit = run(vcpu)
    if (exit.reason === 'hlt') return written
    if (exit.reason !== 'io' || exit.direction !== 'out') throw new Error(`unexpected ${exit.reason}`)
    written.push(exit.data.reduce((sum, byte, index) => sum + byte * 256 ** index, 0))
  }
}

/** A file with the header in front and the code at 0x100. */
function kernelFile(header: Uint8Array, code: number[]): Uint8Array {
  const content = new Uint8Array(0x200)
  content.set(header, 0x14)
  content.set(code, 0x100)
  return content
}

test('Multiboot 1, ELF: EAX, EBX and the information behind it', () => {
  const code = [...PORT, ...OUT, ...EBX, ...OUT, ...AT_EBX, ...OUT, ...RELOAD, ...EBX, ...OUT, ...HLT]
  const kernel = elf([{ content: kernelFile(multiboot1Header(3), code) }], { bits: 32, entry: LOAD + 0x100 })
  const cmdline = 'console=ttyS0'
  expect(outputs((memory) => loadMultiboot(memory, { kernel, cmdline }))).toEqual([
    0x2bad_b002,
    BOOT_INFO,
    0x24d,
    BOOT_INFO,
  ])
})

test('Multiboot 1 with address fields, a module that the guest reads', () => {
  // mov esi, [ebx + 24]; mov esi, [esi]; mov eax, [esi]
  const code = [...PORT, 0x8b, 0x73, 24, 0x8b, 0x36, 0x8b, 0x06, ...OUT, ...HLT]
  const kernel = kernelFile(multiboot1Header(0x1_0000, [LOAD + 0x14, LOAD, 0, 0, LOAD + 0x100]), code)
  const modules = [{ bytes: uint32(0xcafe_f00d) }]
  expect(outputs((memory) => loadMultiboot(memory, { kernel, modules }))).toEqual([0xcafe_f00d])
})

test('Multiboot 2', () => {
  const code = [...PORT, ...OUT, ...EBX, ...OUT, ...AT_EBX, ...OUT, ...HLT]
  const kernel = elf([{ content: kernelFile(multiboot2Header([]), code) }], { bits: 32, entry: LOAD + 0x100 })
  const [magic, info, size] = outputs((memory) => loadMultiboot2(memory, { kernel }))
  expect([magic, info]).toEqual([0x36d7_6289, BOOT_INFO])
  expect(size).toBeGreaterThan(100)
})

test.each([32, 64])('ELF, %i bits', (bits) => {
  // xor eax, eax; dec eax in 32 bits; a REX prefix for the next instruction in 64 bits: mov eax, 5
  const code = [
    ...PORT,
    0x31,
    0xc0,
    0x48,
    0xb8,
    5,
    0,
    0,
    0,
    ...(bits === 64 ? [0, 0, 0, 0] : []),
    ...OUT,
    ...RELOAD,
    ...HLT,
  ]
  const image = elf([{ content: Uint8Array.from(code) }], { bits, entry: LOAD })
  expect(outputs((memory) => loadElf(memory, { image }))).toEqual([5])
})

test('Linux, 64 bits: RSI, the magic of the header in boot_params, the segments', () => {
  const code = [...PORT, ...ESI, ...OUT, ...AT_ESI, ...uint32(0x202), ...OUT, ...RELOAD, ...ESI, ...OUT, ...HLT]
  const kernel = bzImage()
  kernel.set(code, SETUP_SIZE + 0x200)
  const expected = [BOOT_INFO, 0x5372_6448, BOOT_INFO]
  expect(outputs((memory) => loadBzImage(memory, { kernel }))).toEqual(expected)
  const vmlinux = elf([{ content: Uint8Array.from(code), paddr: 0x100_0000 }], { entry: 0x100_0000 })
  expect(outputs((memory) => loadVmlinux(memory, { kernel: vmlinux }))).toEqual(expected)
})

test('Linux, 32 bits: ESI, the header in boot_params, EBP, EDI and EBX 0, the segments', () => {
  // or edi, ebp; or ebx, edi; what is left of the three goes out last.
  const zeros = [0x09, 0xef, 0x09, 0xfb, ...EBX, ...OUT]
  const code = [...PORT, ...ESI, ...OUT, ...AT_ESI, ...uint32(0x202), ...OUT, ...RELOAD, ...zeros, ...HLT]
  const kernel = bzImage({ xloadflags: 0 })
  kernel.set(code, SETUP_SIZE)
  const expected = [BOOT_INFO, 0x5372_6448, 0]
  expect(outputs((memory) => loadBzImage(memory, { kernel }))).toEqual(expected)
  const vmlinux = elf([{ content: Uint8Array.from(code) }], { bits: 32, entry: LOAD })
  expect(outputs((memory) => loadVmlinux(memory, { kernel: vmlinux }))).toEqual(expected)
})

test('a Multiboot kernel where the information usually lies reads it elsewhere', () => {
  // mov esi, [ebx + 16]; mov eax, [esi]: the first word of the command line
  const code = [...PORT, ...EBX, ...OUT, 0x8b, 0x73, 16, 0x8b, 0x06, ...OUT, ...RELOAD, ...HLT]
  const kernel = kernelFile(
    multiboot1Header(0x1_0000, [BOOT_INFO + 0x14, BOOT_INFO, 0, 0x2_0000, BOOT_INFO + 0x100]),
    code,
  )
  expect(outputs((memory) => loadMultiboot(memory, { kernel, name: 'xen' }))).toEqual([0x2_0000, 0x006e_6578])
})

test.each([
  ['protected', 0x1000],
  ['long', 0x2000],
] as const)('a flat binary in %s mode at 0x%x, where the loader’s tables usually lie', (mode, address) => {
  const image = Uint8Array.from([...PORT, 0xb8, ...uint32(7), ...OUT, ...RELOAD, ...HLT])
  expect(outputs((memory) => loadFlat(memory, { image, address, mode }))).toEqual([7])
})

test('PVH: EBX and the magic of hvm_start_info', () => {
  const code = Uint8Array.from([...PORT, ...EBX, ...OUT, ...AT_EBX, ...OUT, ...RELOAD, ...HLT])
  const kernel = elf([{ content: code }, { type: PT_NOTE, content: note('Xen', PHYS32_ENTRY, uint32(LOAD)), align: 4 }])
  expect(outputs((memory) => loadPvh(memory, { kernel }))).toEqual([BOOT_INFO, 0x336e_c578])
})

test.each([
  [0x7c00, 0x7c00],
  [0x8_0010, 0x8_0010],
])('a flat binary in real mode at %i knows where it is', (address) => {
  // call next; next: pop ax; sub ax, 3; out 0x10, ax; mov ax, cs; out 0x10, ax. The stack is at 0x600.
  const code = [0xbc, 0x00, 0x06, 0xe8, 0, 0, 0x58, 0x83, 0xe8, 0x06, 0xe7, 0x10, 0x8c, 0xc8, 0xe7, 0x10, 0xf4]
  const [offset = 0, segment = 0] = outputs((memory) => {
    return loadFlat(memory, { image: Uint8Array.from(code), address, mode: 'real' })
  })
  expect(segment * 16 + offset).toBe(address)
})

test('flat binaries in 32 and 64 bits', () => {
  const image = Uint8Array.from([...PORT, 0xb8, ...uint32(7), ...OUT, ...RELOAD, ...HLT])
  for (const mode of ['protected', 'long'] as const) {
    expect(outputs((memory) => loadFlat(memory, { image, address: LOAD, mode }))).toEqual([7])
  }
})

test('firmware starts at the reset vector, in the region below 4 GiB, and finds its shadow below 1 MiB', () => {
  const image = new Uint8Array(0x1000)
  image.set([0x34, 0x12], 0x800)
  // At the vector: jmp far f000:f000, which is the shadow's first byte.
  image.set([0xea, 0x00, 0xf0, 0x00, 0xf0], 0xff0)
  image.set([0x2e, 0xa1, 0x00, 0xf8, 0xe7, 0x10, 0xf4], 0) // mov ax, cs:[0xf800]; out 0x10, ax; hlt
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  vm.setTssAddr(0xfeff_d000)
  vm.setIdentityMapAddr(0xfeff_c000)
  vm.addMemory({ at: 0, size: MIB })
  const { rom, entry } = loadFirmware(vm.memory.dma, { image })
  vm.addMemory({ at: rom.at, size: rom.bytes.length, readonly: true }).write(rom.at, rom.bytes)
  const vcpu = vm.createVcpu(0)
  vcpu.setSregs(entry.sregs)
  vcpu.setRegs(entry.regs)
  expect(run(vcpu)).toMatchObject({ reason: 'io', port: 0x10, data: Uint8Array.of(0x34, 0x12) })
})

test('tables and loaders share guest memory', () => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  vm.addMemory({ at: 0, size: 64 * MIB })
  const { rsdp, placed } = loadAcpiTables(vm.memory.dma, MACHINE)
  const loaded = loadBzImage(vm.memory.dma, { kernel: bzImage(), rsdp })
  expect(new TextDecoder().decode(vm.memory.read(rsdp, 8))).toBe('RSD PTR ')
  const ends = [...placed, ...loaded.placed].sort((a, b) => a.start - b.start)
  for (const [index, { start, size }] of ends.entries()) {
    expect(start + size).toBeLessThanOrEqual(ends[index + 1]?.start ?? Infinity)
  }
  vm.memory.write(0x9_fc10, buildMpTable({ apicIds: [0], ioApic: { id: 0, address: 0xfec0_0000 } }))
})
