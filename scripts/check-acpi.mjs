// @ts-check
// The ACPI tables against ACPICA's compiler, which every operating system's parser descends from: they disassemble
// without a warning, and what comes out compiles to the same bytes again.
//   node scripts/check-acpi.mjs
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { acpiKeyboard, acpiRtc, acpiSerial, buildAcpiTables } from 'node-kvm/platform'

/** What the compiler puts its own name and sum into (ACPI 6.5, table 5.4), as offsets. */
const CHECKSUM = 9
const CREATOR = { start: 28, end: 36 }

/** @type {import('node-kvm/platform').AcpiOptions} */
const full = {
  apicIds: Array.from({ length: 16 }, (_, id) => id),
  ioApic: { id: 0, address: 0xfec0_0000 },
  sciGsi: 9,
  powerManagement: {
    eventPort: 0x600,
    controlPort: 0x604,
    timerPort: 0x608,
    powerOffType: 5,
    reset: { port: 0xcf9, value: 6 },
  },
  devices: [
    ...[1, 2, 3, 4].map((number) => acpiSerial(/** @type {1 | 2 | 3 | 4} */ (number))),
    acpiRtc(),
    acpiKeyboard(),
    { name: 'PEVT', hid: 'QEMU0001', resources: [{ port: 0x505, length: 1 }] },
    {
      name: 'VIO0',
      hid: 'LNRO0005',
      uid: 0,
      resources: [
        { memory: 0xd000_0000, length: 0x1000 },
        { gsi: 20, trigger: 'edge' },
        { gsi: 21, trigger: 'level' },
      ],
    },
  ],
  centuryRegister: 0x32,
}
/** @type {import('node-kvm/platform').AcpiOptions} */
const bare = {
  ...full,
  apicIds: [0],
  powerManagement: { eventPort: 0x600, controlPort: 0x604, powerOffType: 0 },
  devices: [],
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
