// @ts-check
// The ACPI tables against ACPICA's compiler, which every operating system's parser descends from: they disassemble
// without a warning, and what comes out compiles to the same bytes again.
//   node scripts/check-acpi.mjs
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  buildAcpiTables,
  Platform,
  PNP_HPET,
  PNP_KEYBOARD,
  PNP_MAINBOARD,
  PNP_PCIE_ROOT,
  PNP_RTC,
  PNP_SERIAL_16550A,
  GENERATION_ID,
  PVPANIC,
} from 'node-kvm/platform'

/** What the compiler puts its own name and sum into (ACPI 6.5, table 5.4), as offsets. */
const CHECKSUM = 9
const CREATOR = { start: 28, end: 36 }

const platform = new Platform()
const power = platform.add({
  name: 'power',
  resources: [
    { port: 0x600, length: 0x14 },
    { gsi: 9, trigger: 'level' },
  ],
  acpi: { fixed: { event: 0, control: 4, timer: 8, reset: { offset: 12, value: 1 }, sleepTypes: { s3: 1, s5: 5 } } },
})
platform.addAll([
  ...[0x3f8, 0x2f8, 0x3e8, 0x2e8].map((port, index) => ({
    name: `serial${index}`,
    resources: [{ port, length: 8 }, { gsi: index % 2 === 0 ? 4 : 3 }],
    acpi: { hid: PNP_SERIAL_16550A, name: `COM${index + 1}`, uid: index + 1 },
  })),
  { name: 'rtc', resources: [{ port: 0x70, length: 2 }, { gsi: 8 }], acpi: { hid: PNP_RTC, name: 'RTC' } },
  {
    name: 'keyboard',
    resources: [{ port: 0x60, length: 1 }, { port: 0x64, length: 1, offset: 4 }, { gsi: 1 }],
    acpi: { hid: PNP_KEYBOARD, name: 'KBD' },
  },
  {
    name: 'generation-id',
    resources: [{ gsi: 6 }],
    acpi: { hid: GENERATION_ID, name: 'VGEN', generationId: { address: 0xf_f000 } },
  },
  { name: 'pvpanic', resources: [{ port: 0x505, length: 1 }], acpi: { hid: PVPANIC, name: 'PEVT' } },
  {
    name: 'hpet',
    resources: [{ memory: 0xfed0_0000, length: 0x400 }],
    acpi: { hid: PNP_HPET, name: 'HPET', hpet: { id: 0x8086_a201, minimumTick: 0x80 } },
  },
  // A user's own, wherever there is room; another one that shares its interrupt; and one above 4 GiB.
  {
    name: 'copy-engine',
    resources: [
      { memory: 'any', length: 0x1000 },
      { gsi: 'any', trigger: 'edge' },
      { gsi: 20, trigger: 'level' },
    ],
    acpi: { hid: 'LNRO0005', uid: 0 },
  },
  { name: 'neighbour', resources: [{ port: 'any', length: 16 }, { gsi: 20 }], acpi: { hid: 'LNRO0005', uid: 1 } },
  {
    name: 'pci',
    resources: [{ port: 0xcf8, length: 8 }],
    acpi: {
      ...{ hid: PNP_PCIE_ROOT, name: 'PCI0', uid: 0 },
      pciRoot: {
        ports: { start: 0x2000, end: 0x1_0000 },
        memory: { start: 0xe010_0000, end: 0xfec0_0000 },
        lines: Array.from({ length: 32 }, (_, slot) => 16 + (slot % 8)),
      },
    },
  },
  {
    name: 'pci-ecam',
    resources: [{ memory: 0xe000_0000, length: 0x10_0000 }],
    acpi: { hid: PNP_MAINBOARD, name: 'ECAM', ecam: true },
  },
  { name: 'far', resources: [{ memory: 2 ** 40, length: 2 ** 33 }], acpi: { hid: 'NKVM0001' } },
])

/** @type {import('node-kvm/platform').AcpiOptions} */
const full = {
  apicIds: Array.from({ length: 16 }, (_, id) => id),
  ioApic: { id: 16, address: 0xfec0_0000 },
  nodes: platform.nodes,
  centuryRegister: 0x32,
}
/** @type {import('node-kvm/platform').AcpiOptions} */
const bare = {
  ...full,
  apicIds: [0],
  nodes: [{ ...power, acpi: { fixed: { event: 0, control: 4, sleepTypes: { s5: 0 } } } }],
  centuryRegister: 0,
}

const folder = mkdtempSync(join(tmpdir(), 'node-kvm-acpi-'))
let failed = 0
try {
  for (const [machine, options] of Object.entries({ full, bare })) {
    for (const { signature, bytes } of buildAcpiTables(options)) {
      // The RSDP is no table of its own to the compiler.
      if (signature === 'RSDP') continue
      const problem = check(join(folder, `${machine}-${signature.toLowerCase()}`), bytes, signature)
      if (problem !== undefined) {
        console.error(`${machine} machine, ${signature}: ${problem}\n`)
        failed++
      }
    }
  }
} finally {
  rmSync(folder, { recursive: true })
}
if (failed > 0) process.exitCode = 1
else console.log('ACPI tables: iasl takes all of them apart and puts them together again.')

/**
 * @param {string} path without its ending
 * @param {Uint8Array} bytes
 * @param {string} signature
 * @returns {string | undefined} what is wrong
 */
function check(path, bytes, signature) {
  writeFileSync(`${path}.dat`, bytes)
  const apart = iasl('-d', `${path}.dat`)
  if (apart !== undefined) return apart
  // Without optimizations, so that the byte code can be compared.
  const together = iasl('-oa', '-p', `${path}-again`, `${path}.dsl`)
  if (together !== undefined) return together
  const again = readFileSync(`${path}-again.aml`)
  const differing = [...bytes.keys()].filter((at) => bytes[at] !== again[at] && !isCompilers(at, signature))
  if (again.length === bytes.length && differing.length === 0) return undefined
  return `recompiled it has ${again.length} bytes, not ${bytes.length}, and others at ${differing.join(', ')}`
}

/** @param {number} at @param {string} signature */
function isCompilers(at, signature) {
  return signature !== 'FACS' && (at === CHECKSUM || (at >= CREATOR.start && at < CREATOR.end))
}

/** @param {string[]} args @returns {string | undefined} its output, when it complains */
function iasl(...args) {
  const { error, status, stdout, stderr } = spawnSync('iasl', args, { encoding: 'utf8' })
  if (error) return `iasl does not run (${error.message}); Debian has it in acpica-tools`
  const output = `${stdout}${stderr}`
  const complains = /^\s*(error|warning|remark)\b|[1-9]\d* (errors|warnings|remarks)/im.test(output)
  return status === 0 && !complains ? undefined : output.trim()
}
