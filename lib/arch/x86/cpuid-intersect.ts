import type { CpuidEntry, CpuidRegister, CpuidRegisters } from './cpuid-entry.js'
import * as L from './cpuid-leaves.js'

/** What two hosts have in common of a register. Both of its values are given, the older processor's first. */
type Rule = (older: number, newer: number) => number

const and: Rule = (a, b) => (a & b) >>> 0
const min: Rule = (a, b) => Math.min(a, b)
const older: Rule = (a) => a
/** What is the same on both; else 0, as where a processor does not say. */
const same: Rule = (a, b) => (a === b ? a : 0)
/** The lesser of each byte. */
const bytes: Rule = (a, b) =>
  [0, 8, 16, 24].reduce((sum, at) => sum + Math.min((a >>> at) & 0xff, (b >>> at) & 0xff) * 2 ** at, 0)
/** Features, except for the bits that say that something is gone: it is, where it is gone on either. */
const andExcept =
  (gone: number): Rule =>
  (a, b) =>
    ((a & b) | ((a | b) & gone)) >>> 0

/** FDP_EXCPTN_ONLY and "deprecates FPU CS and DS" (Intel SDM vol. 2A, CPUID). */
const FPU_GONE = (1 << 6) | (1 << 13)

const ALL_OLDER: Rules = { eax: older, ebx: older, ecx: older, edx: older }
const ALL_SAME: Rules = { eax: same, ebx: same, ecx: same, edx: same }
type Rules = Partial<Record<CpuidRegister, Rule>>

// By leaf, or leaf and subleaf. What has no rule is and-ed: of counts, too, that gives none that a host lacks.
const RULES: Record<string, Rules> = {
  [L.LEAF_VENDOR]: { ...ALL_OLDER, eax: min },
  [L.LEAF_FEATURES]: { eax: older, ebx: older },
  0x2: ALL_OLDER,
  [L.LEAF_CACHE_PARAMETERS]: ALL_OLDER,
  0x5: { eax: older, ebx: older },
  [L.LEAF_POWER]: { ebx: min },
  [`${L.LEAF_STRUCTURED_FEATURES}.0`]: { eax: min, ebx: andExcept(FPU_GONE) },
  [L.LEAF_TOPOLOGY]: ALL_OLDER,
  [`${L.LEAF_XSAVE}.1`]: { ebx: min },
  0x15: ALL_SAME,
  0x16: ALL_SAME,
  [L.LEAF_TOPOLOGY_V2]: ALL_OLDER,
  [L.LEAF_HYPERVISOR]: { eax: min, ebx: same, ecx: same, edx: same },
  [L.LEAF_EXTENDED]: { ...ALL_OLDER, eax: min },
  [L.LEAF_EXTENDED_FEATURES]: { eax: older, ebx: older },
  [L.LEAF_BRAND]: ALL_OLDER,
  [L.LEAF_BRAND + 1]: ALL_OLDER,
  [L.LEAF_BRAND + 2]: ALL_OLDER,
  0x8000_0005: ALL_OLDER,
  0x8000_0006: ALL_OLDER,
  // Bits of addresses, in bytes; a guest's own number of cores.
  [L.LEAF_AMD_SIZES]: { eax: bytes, ecx: older },
  [L.LEAF_AMD_SVM]: { eax: min, ebx: min },
  [L.LEAF_AMD_CACHE_PARAMETERS]: ALL_OLDER,
  [L.LEAF_AMD_TOPOLOGY]: ALL_OLDER,
  [L.LEAF_AMD_TOPOLOGY_V2]: ALL_OLDER,
}

// A part of one of these means nothing: it is the same on both, or all zeros. So are the components of XSAVE.
const ALL_OR_NOTHING = new Set([L.LEAF_PERFORMANCE_MONITORING, 0x14, 0x1d, 0x1e, L.LEAF_AMD_ENCRYPTION])

const REGISTERS = ['eax', 'ebx', 'ecx', 'edx'] as const

/** Bytes of the legacy area and the header, before the first extended component (Intel SDM vol. 1, 13.4). */
const XSAVE_HEAD = 576

type Table = Iterable<Readonly<CpuidEntry>>

const key = (entry: CpuidEntry) => `${entry.function}.${entry.index}`
const find = <E extends Readonly<CpuidEntry>>(table: Iterable<E>, leaf: number, index = 0) =>
  Array.from(table).find((entry) => entry.function === leaf && entry.index === index)

/** What both tables have, leaf by leaf. */
export function intersectEntries(a: Table, b: Table): Readonly<CpuidEntry>[] {
  const [first, second] = model(a) <= model(b) ? [a, b] : [b, a]
  const others = new Map(Array.from(second, (entry) => [key(entry), entry]))
  const common: CpuidEntry[] = []
  for (const entry of first) {
    const other = others.get(key(entry))
    const rules = RULES[key(entry)] ?? RULES[entry.function] ?? {}
    if (other !== undefined) common.push({ ...entry, ...intersectLeaf(entry, other, rules) })
    else if (rules === ALL_OLDER) common.push({ ...entry })
  }
  return withoutLeavesPastTheLast(withXsaveSizes(common)).map((entry) => Object.freeze(entry))
}

/** Leaf 1's EAX orders the processors of a vendor: a later family or model has a greater one. */
function model(table: Table): number {
  return displayModel(find(table, L.LEAF_FEATURES)?.eax ?? 0)
}

/** Family, model and stepping with their extensions (Intel SDM vol. 2A, CPUID). */
function displayModel(eax: number): number {
  const family = ((eax >>> 8) & 0xf) + ((eax >>> 20) & 0xff)
  return family * 2 ** 16 + (((eax >>> 12) & 0xf0) | ((eax >>> 4) & 0xf)) * 2 ** 8 + (eax & 0xf)
}

function intersectLeaf(a: CpuidEntry, b: CpuidEntry, rules: Rules): CpuidRegisters {
  const isWhole = ALL_OR_NOTHING.has(a.function) || (a.function === L.LEAF_XSAVE && a.index >= 2)
  const isEqual = REGISTERS.every((register) => a[register] === b[register])
  const value = (register: CpuidRegister) =>
    isWhole ? (isEqual ? a[register] : 0) : (rules[register] ?? and)(a[register], b[register])
  return { eax: value('eax'), ebx: value('ebx'), ecx: value('ecx'), edx: value('edx') }
}

/** Leaf 0xd: a component lies at the same place on both, or it is in no set; then the area is as long as those that are left ask for. */
function withXsaveSizes(entries: CpuidEntry[]): CpuidEntry[] {
  const sets = find(entries, L.LEAF_XSAVE)
  if (sets === undefined) return entries
  const supervisor = find(entries, L.LEAF_XSAVE, 1)
  let length = XSAVE_HEAD
  for (let component = 2; component < 63; component++) {
    const place = find(entries, L.LEAF_XSAVE, component)
    const bit = (1 << (component % 32)) >>> 0
    const [userSet, supervisorSet] = component < 32 ? (['eax', 'ecx'] as const) : (['edx', 'edx'] as const)
    if (place === undefined || place.eax === 0) {
      clear(sets, userSet, bit)
      if (supervisor !== undefined) clear(supervisor, supervisorSet, bit)
    } else if ((sets[userSet] & bit) !== 0) length = Math.max(length, place.ebx + place.eax)
  }
  sets.ebx = sets.ecx = length
  return entries.filter((entry) => entry.function !== L.LEAF_XSAVE || entry.index < 2 || entry.eax !== 0)
}

function clear(entry: CpuidEntry, register: CpuidRegister, bit: number): void {
  entry[register] = (entry[register] & ~bit) >>> 0
}

/** A range of leaves ends where its first leaf says. */
function withoutLeavesPastTheLast(entries: CpuidEntry[]): CpuidEntry[] {
  const range = (leaf: number) => Math.floor(leaf / 2 ** 28) * 2 ** 28
  const last = new Map(entries.filter(({ function: leaf }) => leaf === range(leaf)).map((e) => [e.function, e.eax]))
  return entries.filter(({ function: leaf }) => leaf <= (last.get(range(leaf)) ?? leaf))
}
