// Bits of RFLAGS and of control registers by name (Intel SDM vol. 1, 3.4.3; vol. 3A, 2.5; vol. 4, table 2-2; AMD APM vol. 2, 3.1).

/** The bits of a register as masks, by name. */
export type RegisterBits<Name extends string> = Readonly<Record<Name, bigint>>

/** Masks from numbers of bits. */
function masks<Name extends string>(bits: Record<Name, number>): RegisterBits<Name> {
  const entries = Object.entries<number>(bits).map(([name, bit]) => [name, 1n << BigInt(bit)])
  return Object.freeze(Object.fromEntries(entries) as Record<Name, bigint>)
}

/** Always set in RFLAGS. */
export const RFLAGS_FIXED = 1n << 1n

/** Flags of RFLAGS as masks; not bit 1, RFLAGS_FIXED, and not the two bits of IOPL. */
export const RFLAGS = masks({
  ...{ CF: 0, PF: 2, AF: 4, ZF: 6, SF: 7, TF: 8, IF: 9, DF: 10, OF: 11 },
  ...{ NT: 14, RF: 16, VM: 17, AC: 18, VIF: 19, VIP: 20, ID: 21 },
})

export const CR0 = masks({ PE: 0, MP: 1, EM: 2, TS: 3, ET: 4, NE: 5, WP: 16, AM: 18, NW: 29, CD: 30, PG: 31 })

export const CR4 = masks({
  ...{ VME: 0, PVI: 1, TSD: 2, DE: 3, PSE: 4, PAE: 5, MCE: 6, PGE: 7, PCE: 8, OSFXSR: 9, OSXMMEXCPT: 10, UMIP: 11 },
  ...{ LA57: 12, VMXE: 13, SMXE: 14, FSGSBASE: 16, PCIDE: 17, OSXSAVE: 18, KL: 19, SMEP: 20, SMAP: 21, PKE: 22 },
  ...{ CET: 23, PKS: 24, UINTR: 25, LAM_SUP: 28, FRED: 32 },
})

export const EFER = masks({
  ...{ SCE: 0, LME: 8, LMA: 10, NXE: 11, SVME: 12, LMSLE: 13, FFXSR: 14, TCE: 15 },
  ...{ MCOMMIT: 17, INTWB: 18, UAIE: 20, AUTOIBRS: 21 },
})

/** State components that XCR0 can switch on; the names of XSAVE's components. */
export const XCR0 = masks({
  ...{ x87: 0, SSE: 1, AVX: 2, BNDREGS: 3, BNDCSR: 4, opmask: 5, ZMM_Hi256: 6, Hi16_ZMM: 7, PKRU: 9 },
  ...{ TILECFG: 17, TILEDATA: 18, APX: 19 },
})

/** The names of the bits that are set, lowest first: `['PE', 'ET', 'PG']` of `bitNames(CR0, sregs.cr0)`. Bits without a name are left out. */
export function bitNames<Name extends string>(register: RegisterBits<Name>, value: bigint): Name[] {
  return (Object.keys(register) as Name[]).filter((name) => (value & register[name]) !== 0n)
}
