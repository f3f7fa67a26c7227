import { KvmError } from '../../errors.js'
import { hex } from '../../format.js'
import { checkOptions, invalidArgument } from '../../validate.js'
import { type CpuCache, decodeCaches } from './cpuid-caches.js'
import {
  checkEntry,
  checkUint32,
  CPUID_REGISTERS,
  type CpuidEntry,
  type CpuidRegisters,
  entryFlags,
} from './cpuid-entry.js'
import { cpuFeature, type CpuFeature, featureBits } from './cpuid-features.js'
import { intersectEntries } from './cpuid-intersect.js'
import * as L from './cpuid-leaves.js'
import { brandRegisters, readBrand, readSignature, readVendor, signatureRegisters } from './cpuid-text.js'
import { type CpuTopology, placeInTopology } from './cpuid-topology.js'

/** KVM_MAX_CPUID_ENTRIES of arch/x86/include/asm/kvm_host.h: KVM takes no longer list. */
const MAX_ENTRIES = 256

// AMD's processors say these of leaf 1's EDX a second time, in leaf 0x80000001's (AMD APM vol. 3, appendix E).
const AMD_REPEATED = 0x0183_f3ff

type Entries = Map<string, Readonly<CpuidEntry>>

const key = (leaf: number, index: number) => `${leaf}.${index}`

/**
 * What the CPUID instruction says, as a table. It is made from entries (`kvm.getSupportedCpuid()`) and becomes entries again
 * (`entries()`, for `vcpu.setCpuid2()`). A table never changes: each edit returns another one, so that a template can be kept.
 * x86_64.
 */
export class CpuidTable implements Iterable<Readonly<CpuidEntry>> {
  #entries: Entries = new Map()

  /**
   * Throws `ERR_KVM_INVALID_ARGUMENT` where there are more than 256 entries, or two for the same leaf and subleaf.
   */
  constructor(entries: Iterable<CpuidEntry>) {
    const given: unknown = entries
    if (typeof given !== 'object' || given === null || !(Symbol.iterator in given)) {
      throw invalidArgument('entries', entries, 'a list of CPUID entries')
    }
    for (const entry of entries) {
      const checked = checkEntry(`entries[${this.#entries.size}]`, entry)
      const at = key(checked.function, checked.index)
      if (this.#entries.has(at)) {
        const place = `leaf ${hex(checked.function)}, index ${checked.index}`
        throw new KvmError('ERR_KVM_INVALID_ARGUMENT', `entries has two for ${place}`, { operands: { ...checked } })
      }
      this.#entries.set(at, checked)
      this.#checkLength()
    }
  }

  static #of(entries: Iterable<Readonly<CpuidEntry>>): CpuidTable {
    const table = new CpuidTable([])
    for (const entry of entries) table.#entries.set(key(entry.function, entry.index), entry)
    table.#checkLength()
    return table
  }

  #checkLength(): void {
    if (this.#entries.size <= MAX_ENTRIES) return
    throw new KvmError('ERR_KVM_INVALID_ARGUMENT', `a vCPU has at most ${MAX_ENTRIES} CPUID entries; drop() some`, {
      operands: { argument: 'entries', most: MAX_ENTRIES },
    })
  }

  [Symbol.iterator](): Iterator<Readonly<CpuidEntry>> {
    return this.#entries.values()
  }

  /** Copies of the entries, for `vcpu.setCpuid2()`. */
  entries(): CpuidEntry[] {
    return Array.from(this, (entry) => ({ ...entry }))
  }

  /** The registers of a leaf and subleaf; undefined where the table has none. */
  leaf(leaf: number, index = 0): CpuidRegisters | undefined {
    const entry = this.#find(checkUint32('leaf', leaf), checkUint32('index', index))
    if (entry === undefined) return undefined
    const { eax, ebx, ecx, edx } = entry
    return { eax, ebx, ecx, edx }
  }

  #find(leaf: number, index: number): Readonly<CpuidEntry> | undefined {
    const found = this.#entries.get(key(leaf, index))
    if (found !== undefined || index === 0) return found
    // An entry whose index is not significant answers for every subleaf.
    const whole = this.#entries.get(key(leaf, 0))
    return whole !== undefined && (whole.flags & L.FLAG_SIGNIFICANT_INDEX) === 0 ? whole : undefined
  }

  /** Sets registers of a leaf and subleaf. What is left out keeps its value, and is 0 in an entry that is new. */
  set(leaf: number, index: number, registers: Partial<CpuidRegisters>): CpuidTable {
    const at = key(checkUint32('leaf', leaf), checkUint32('index', index))
    const given = checkOptions('registers', registers, CPUID_REGISTERS)
    const entry = { eax: 0, ebx: 0, ecx: 0, edx: 0, flags: entryFlags(leaf, index), ...this.#entries.get(at) }
    for (const register of CPUID_REGISTERS) {
      if (given[register] !== undefined) entry[register] = checkUint32(`registers.${register}`, given[register])
    }
    const entries = new Map(this.#entries)
    entries.set(at, Object.freeze({ ...entry, function: leaf, index }))
    return CpuidTable.#of(entries.values())
  }

  /** Drops a leaf: one subleaf of it, or all. */
  drop(leaf: number, index?: number): CpuidTable {
    checkUint32('leaf', leaf)
    if (index !== undefined) checkUint32('index', index)
    return this.filter((entry) => entry.function !== leaf || (index !== undefined && entry.index !== index))
  }

  /** Keeps the entries for which `keep` returns true. */
  filter(keep: (entry: Readonly<CpuidEntry>) => boolean): CpuidTable {
    if (typeof keep !== 'function') throw invalidArgument('keep', keep, 'a function')
    return CpuidTable.#of(Array.from(this).filter((entry) => keep(entry)))
  }

  /** Whether the table has a feature. */
  has(feature: CpuFeature): boolean {
    const { leaf, index, register, bit } = cpuFeature(feature)
    return (((this.#find(leaf, index)?.[register] ?? 0) >>> bit) & 1) === 1
  }

  /** The features that the table has, in the order of leaves. */
  features(): CpuFeature[] {
    return [...featureBits().keys()].filter((feature) => this.has(feature))
  }

  /**
   * Shows the guest features. KVM takes any; the guest can use what the host has, or KVM emulates. Throws
   * `ERR_KVM_INVALID_ARGUMENT` for a name that there is not, and for a feature in a leaf that the table has not.
   */
  show(...features: CpuFeature[]): CpuidTable {
    return features.reduce<CpuidTable>((table, feature) => table.#withBit(feature, true), this)
  }

  /**
   * Hides features from the guest. Most cannot be kept from a guest that tries them all the same. Features that build upon a hidden
   * one are not hidden with it.
   */
  hide(...features: CpuFeature[]): CpuidTable {
    return features.reduce<CpuidTable>((table, feature) => table.#withBit(feature, false), this)
  }

  #withBit(feature: CpuFeature, on: boolean): CpuidTable {
    const { leaf, index, register, bit } = cpuFeature(feature)
    const old = this.#entries.get(key(leaf, index))
    if (old === undefined) {
      if (!on) return this
      const place = `leaf ${hex(leaf)}, index ${index}`
      throw new KvmError(
        'ERR_KVM_INVALID_ARGUMENT',
        `${feature} is a bit of ${place}, which the table lacks; set() it`,
        {
          operands: { feature, leaf, index },
        },
      )
    }
    const withBit = (value: number) => (on ? value | (1 << bit) : value & ~(1 << bit)) >>> 0
    const table = this.set(leaf, index, { [register]: withBit(old[register]) })
    const repeated = leaf === L.LEAF_FEATURES && register === 'edx' && ((AMD_REPEATED >>> bit) & 1) === 1
    const again = repeated && this.#isAmd ? this.leaf(L.LEAF_EXTENDED_FEATURES) : undefined
    return again === undefined ? table : table.set(L.LEAF_EXTENDED_FEATURES, 0, { edx: withBit(again.edx) })
  }

  get #isAmd(): boolean {
    return this.vendor === 'AuthenticAMD' || this.vendor === 'HygonGenuine'
  }

  /** Leaf 0: `GenuineIntel`, `AuthenticAMD` ... The empty text where the table has no such leaf. */
  get vendor(): string {
    return readVendor(this.leaf(L.LEAF_VENDOR))
  }

  /** Leaves 0x80000002 to 0x80000004: the processor's name. */
  get brand(): string {
    return readBrand([0, 1, 2].map((index) => this.leaf(L.LEAF_BRAND + index)))
  }

  /** Gives the processor another name: up to 47 characters of ASCII. */
  withBrand(brand: string): CpuidTable {
    return brandRegisters(brand).reduce<CpuidTable>(
      (table, registers, index) => table.set(L.LEAF_BRAND + index, 0, registers),
      this,
    )
  }

  /** Leaf 0x40000000: `KVMKVMKVM`, `Microsoft Hv` ... and the last leaf of the hypervisor; undefined where there is none. */
  get hypervisor(): { signature: string; maxLeaf: number } | undefined {
    const registers = this.leaf(L.LEAF_HYPERVISOR)
    return registers && { signature: readSignature(registers), maxLeaf: registers.eax }
  }

  /** Puts a hypervisor's leaf there: its signature, up to 12 characters of ASCII, and its last leaf. */
  withHypervisor(signature: string, maxLeaf: number = L.LEAF_HYPERVISOR): CpuidTable {
    return this.set(L.LEAF_HYPERVISOR, 0, { eax: checkUint32('maxLeaf', maxLeaf), ...signatureRegisters(signature) })
  }

  /** Takes away every leaf of a hypervisor, and the bit that says that there is one: the guest takes it for a real machine. */
  withoutHypervisor(): CpuidTable {
    return this.filter((entry) => entry.function >>> 28 !== L.LEAF_HYPERVISOR >>> 28).hide('hypervisor')
  }

  /** The caches, from leaf 4 or, on AMD, from leaf 0x8000001d. */
  caches(): CpuCache[] {
    return decodeCaches(this)
  }

  /**
   * Tells a vCPU its place: leaves 1, 4, 0xb, 0x1f, 0x80000008, 0x8000001d and 0x8000001e, as far as the table has them. Leaf 0xb is
   * made where leaf 0 says that there can be one.
   */
  topology(topology: CpuTopology): CpuidTable {
    return CpuidTable.#of(placeInTopology(this, topology))
  }

  /**
   * What this host and another one have in common, for guests that are to run on either: feature bits are and-ed, sizes and counts the
   * lesser ones. What is neither (the processor's model, its name, its caches) is that of the older model. Throws
   * `ERR_KVM_INVALID_ARGUMENT` for tables of two vendors.
   */
  intersect(other: CpuidTable): CpuidTable {
    if (!(other instanceof CpuidTable)) throw invalidArgument('other', other, 'a CpuidTable')
    if (this.vendor !== other.vendor) throw invalidArgument('other', other.vendor, `of the vendor ${this.vendor}`)
    return CpuidTable.#of(intersectEntries(this, other))
  }
}
