// @ts-check
// Which of KVM's calls the library has, by which method, in which test, and on which kinds of host that test has made it.
//   npm run coverage -- --record HOST FOLDER   takes what tests wrote there (NODE_KVM_CALLS=FOLDER npx vitest run --project kvm)
//   npm run coverage                           writes docs/coverage.md from tests/calls.json and the sources
//   npm run coverage -- --check                fails when it says something else, or a call of the kernel's is in neither
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { format, resolveConfig } from 'prettier'

const root = fileURLToPath(new URL('..', import.meta.url))
const RECORDS = join(root, 'tests/calls.json')
const PAGE = join(root, 'docs/coverage.md')

/** @typedef {Record<string, Record<string, { test: string, granted: boolean }>>} Records what was called, by call and host */
/** @typedef {{ ioctls: Records, exits: Record<string, string[]> }} Recorded */

/** Calls that nobody is to make, and why. @type {Record<string, string>} */
const LEFT_OUT = {
  KVM_ALLOCATE_RMA: 'PowerPC',
  KVM_CREATE_SPAPR_TCE: 'PowerPC',
  KVM_CREATE_SPAPR_TCE_64: 'PowerPC',
  KVM_DIRTY_TLB: 'PowerPC',
  KVM_CREATE_PIT: 'KVM_CREATE_PIT2 since Linux 2.6.32',
  KVM_GET_PIT: 'KVM_GET_PIT2 since Linux 2.6.33',
  KVM_SET_PIT: 'KVM_SET_PIT2 since Linux 2.6.33',
  KVM_SET_SIGNAL_MASK:
    'it is there to interrupt KVM_RUN; `immediate_exit` took its place in Linux 4.11, and kicks and deadlines stand on that',
  KVM_SET_CPUID: 'KVM_SET_CPUID2 since Linux 2.6.26',
}

/** Parts of calls that nobody is to make, and why. @type {Record<string, string>} */
const PARTS_LEFT_OUT = {
  "`KVM_MEMORY_ENCRYPT_OP`, TDX's commands":
    'they are calls of their own, on VMs and vCPUs, with host addresses and lists that the kernel writes, and no processor with' +
    ' TDX was there to try them on. `memoryEncryptOp()` refuses them with `ERR_KVM_UNSUPPORTED`; the exit `tdx` is decoded',
  "`KVM_MEMORY_ENCRYPT_OP`, SEV's commands whose struct holds addresses of the host":
    'JavaScript has none; refused with `ERR_KVM_UNSUPPORTED`',
  "Xen's shared pages by host address, and its event channels to eventfds": 'the same',
}

/** Calls that the addon makes by itself, and which tests depend on them. @type {Record<string, string>} */
const BY_ITSELF = {
  KVM_RUN: 'all with a vCPU',
  KVM_GET_VCPU_MMAP_SIZE: 'all with a vCPU',
  KVM_REGISTER_COALESCED_MMIO: 'dense-writes',
  KVM_UNREGISTER_COALESCED_MMIO: 'dense-writes',
}

/** The methods by the calls that their documentation names. @returns {Map<string, string[]>} */
function methods() {
  /** @type {Map<string, string[]>} */
  const found = new Map()
  const files = readdirSync(join(root, 'lib/kvm'), { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.startsWith('generated'),
  )
  for (const file of files) {
    const text = readFileSync(join(root, 'lib/kvm', file), 'utf8')
    const owner = /system|kvm\.ts/.test(file)
      ? 'kvm'
      : /vcpu|one-reg|^execution/.test(file)
        ? 'vcpu'
        : /device-(fd|attr)/.test(file)
          ? 'device'
          : /vm|memory-calls/.test(file)
            ? 'vm'
            : undefined
    for (const [, comment = '', name = '', after] of text.matchAll(
      /\/\*\*((?:(?!\*\/)[^])*)\*\/\n\s*(?:static |async |readonly )?(\w+)([(<:])/g,
    )) {
      if (['constructor', 'checkExtension', 'collect'].includes(name) || (owner === undefined && after === ':'))
        continue
      for (const [ioctl] of comment.matchAll(/\bKVM_[A-Z0-9_]+\b/g)) {
        const list = found.get(ioctl) ?? []
        const shown = `${owner === undefined ? '' : `${owner}.`}${name}${after === ':' ? '' : '()'}`
        if (!list.includes(shown)) list.push(shown)
        found.set(ioctl, list)
      }
    }
  }
  return found
}

/** @param {string} name the names in a table of lib/kvm/generated */
function generated(name) {
  return Array.from(
    readFileSync(join(root, `lib/kvm/generated/${name}.ts`), 'utf8').matchAll(/^ {2}'?(KVM_\w+)/gm),
    ([, found = '']) => found,
  )
}

/** @param {string} path @returns {unknown} */
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'))

/** @returns {Recorded} */
const records = () => /** @type {Recorded} */ (readJson(RECORDS))

/** @param {string} host @param {string} folder */
async function record(host, folder) {
  const { ioctls, exits } = records()
  for (const [ioctl, of] of Object.entries(ioctls)) {
    ioctls[ioctl] = Object.fromEntries(Object.entries(of).filter(([other]) => other !== host))
  }
  /** @type {Set<string>} */
  const seen = new Set()
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith('.calls.json'))
    .sort()) {
    const test = file.replace('.calls.json', '')
    const made = /** @type {{ ioctls: Record<string, boolean>, exits: string[] }} */ (readJson(join(folder, file)))
    for (const [ioctl, granted] of Object.entries(made.ioctls)) {
      const of = (ioctls[ioctl] ??= {})
      // The first file that the kernel granted it to, and that is named like it rather than another.
      const old = of[host]
      if (old === undefined || (!old.granted && granted)) of[host] = { test, granted }
    }
    for (const exit of made.exits) seen.add(exit)
  }
  exits[host] = [...seen].sort()
  const sorted = Object.fromEntries(Object.entries(ioctls).sort(([a], [b]) => (a < b ? -1 : 1)))
  const json = JSON.stringify({ ioctls: sorted, exits })
  writeFileSync(RECORDS, await format(json, { parser: 'json', ...(await resolveConfig(RECORDS)) }))
}

/** @returns {{ page: string, missing: string[] }} */
function write() {
  const { ioctls, exits } = records()
  const hosts = [...new Set(Object.values(ioctls).flatMap((of) => Object.keys(of)))].sort()
  const byMethod = methods()
  const names = generated('ioctls')
  const missing = names.filter((name) => !byMethod.has(name) && LEFT_OUT[name] === undefined)
  const rows = names
    .filter((name) => LEFT_OUT[name] === undefined)
    .map((name) => {
      const of = ioctls[name] ?? {}
      const tests = BY_ITSELF[name] ?? [...new Set(Object.values(of).map(({ test }) => test))].sort().join(', ')
      const where = hosts.map((host) => (of[host] === undefined ? '' : of[host].granted ? '✓' : 'refused'))
      return `| \`${name}\` | ${(byMethod.get(name) ?? []).map((method) => `\`${method}\``).join(', ')} | ${tests} | ${where.join(' | ')} |`
    })
  const granted = names.filter(
    (name) => BY_ITSELF[name] !== undefined || Object.values(ioctls[name] ?? {}).some((of) => of.granted),
  ).length
  const refused =
    names.filter((name) => ioctls[name] !== undefined).length -
    names.filter((name) => Object.values(ioctls[name] ?? {}).some((of) => of.granted)).length
  const page = `# Coverage of the KVM API

\`npm run coverage\` writes this page: the calls are those of the kernel's headers (Linux 7.2) for x86_64 and arm64, the methods those whose
documentation names a call, the tests and hosts what \`tests/calls.json\` has recorded of test runs. "refused" is a host that lacks the feature:
the test holds that the refusal is a typed error. What the addon calls by itself has no mark.

${names.length} calls in the headers, ${names.filter((name) => byMethod.has(name) && LEFT_OUT[name] === undefined).length} of them with a method. A real kernel has granted a test ${granted} of them, and refused ${refused} on every host so far. ${generated('capabilities').length} capabilities,
${generated('exits').length} exit reasons, all decoded (\`tests/unit/kvm/exit-decoder.test.ts\`).

| call | method | test | ${hosts.join(' | ')} |
| --- | --- | --- | ${hosts.map(() => '---').join(' | ')} |
${rows.join('\n')}

## Left out

${[...Object.entries(LEFT_OUT).map(([name, reason]) => [`\`${name}\``, reason]), ...Object.entries(PARTS_LEFT_OUT)]
  .map(([what, reason]) => `- ${what}: ${reason}.`)
  .join('\n')}

## Exits that tests have seen

${Object.entries(exits)
  .map(([host, list]) => `- ${host}: ${list.map((exit) => `\`${exit}\``).join(', ')}`)
  .join('\n')}
`
  return { page, missing }
}

const { values, positionals } = parseArgs({
  options: { record: { type: 'boolean', default: false }, check: { type: 'boolean', default: false } },
  allowPositionals: true,
})
if (values.record) await record(positionals[0] ?? '', positionals[1] ?? '')
const { page, missing } = write()
const text = await format(page, { parser: 'markdown', ...(await resolveConfig(PAGE)) })
if (missing.length > 0) {
  console.error(`no method's documentation names ${missing.join(', ')}`)
  process.exitCode = 1
}
if (!values.check) writeFileSync(PAGE, text)
else if (readFileSync(PAGE, 'utf8') !== text) {
  console.error('docs/coverage.md is not what npm run coverage writes')
  process.exitCode = 1
}
