import { pinOf } from '../interrupt-lines.js'
import { PNP_KEYBOARD, PNP_RTC } from '../pnp-ids.js'
import { type AcpiOptions, powerManagement } from './options.js'
import { finishTable, TableBuilder } from './table.js'

// Fixed ACPI Description Table (ACPI 6.3, table 5-33).
const SIGNATURE = 'FACP'
const REVISION = 6
const MINOR_REVISION = 3
const SIZE = 276

const FIRMWARE_CTRL = 36
const DSDT = 40
const SCI_INT = 46
const PM1A_EVT_BLK = 56
const PM1A_CNT_BLK = 64
const PM_TMR_BLK = 76
const PM1_EVT_LEN = 88
const PM1_CNT_LEN = 89
const PM_TMR_LEN = 91
const P_LVL2_LAT = 96
const P_LVL3_LAT = 98
const CENTURY = 108
const IAPC_BOOT_ARCH = 109
const FLAGS = 112
const RESET_REG = 116
const RESET_VALUE = 128
const FADT_MINOR_VERSION = 131
const X_DSDT = 140
const X_PM1A_EVT_BLK = 148
const X_PM1A_CNT_BLK = 172
const X_PM_TMR_BLK = 208
const HYPERVISOR_VENDOR_IDENTITY = 268

// IA-PC boot architecture flags (ACPI 6.3, table 5-35).
const LEGACY_DEVICES = 1 << 0
const HAS_8042 = 1 << 1
const VGA_NOT_PRESENT = 1 << 2
const CMOS_RTC_NOT_PRESENT = 1 << 5

// Fixed feature flags (ACPI 6.3, table 5-34). PWR_BUTTON is left 0: the power button is the fixed one.
const WBINVD = 1 << 0
const PROC_C1 = 1 << 2
const SLP_BUTTON = 1 << 5
const FIX_RTC = 1 << 6
const TMR_VAL_EXT = 1 << 8
const RESET_REG_SUP = 1 << 10

/** Latencies above these say: no C2, no C3 (ACPI 6.3, P_LVL2_LAT, P_LVL3_LAT). */
const NO_C2 = 101
const NO_C3 = 1001

// Generic address structure (ACPI 6.3, table 5-25).
const SYSTEM_IO = 1
const [BYTE, WORD, DWORD] = [1, 2, 3] as const

function genericAddress(table: TableBuilder, offset: number, port: number, bytes: number, access: number): void {
  table.uint8(offset, SYSTEM_IO)
  table.uint8(offset + 1, bytes * 8)
  table.uint8(offset + 3, access)
  table.uint64(offset + 4, port)
}

export function buildFadt(options: AcpiOptions, addresses: { facs: number; dsdt: number }): Uint8Array {
  const { event, control, timer, reset, sci } = powerManagement(options.nodes)
  const has = (hid: string) => options.nodes.some(({ acpi }) => acpi !== undefined && 'hid' in acpi && acpi.hid === hid)
  const table = new TableBuilder(SIZE)
  table.uint32(FIRMWARE_CTRL, addresses.facs)
  table.uint32(DSDT, addresses.dsdt)
  table.uint64(X_DSDT, addresses.dsdt)
  table.uint16(SCI_INT, pinOf(sci))
  // SMI_CMD stays 0: the machine is in ACPI mode from the start, and nobody has to ask for it.

  table.uint32(PM1A_EVT_BLK, event)
  table.uint8(PM1_EVT_LEN, 4)
  genericAddress(table, X_PM1A_EVT_BLK, event, 4, WORD)
  table.uint32(PM1A_CNT_BLK, control)
  table.uint8(PM1_CNT_LEN, 2)
  genericAddress(table, X_PM1A_CNT_BLK, control, 2, WORD)
  if (timer !== undefined) {
    table.uint32(PM_TMR_BLK, timer)
    table.uint8(PM_TMR_LEN, 4)
    genericAddress(table, X_PM_TMR_BLK, timer, 4, DWORD)
  }
  table.uint16(P_LVL2_LAT, NO_C2)
  table.uint16(P_LVL3_LAT, NO_C3)
  table.uint8(CENTURY, options.centuryRegister ?? 0)
  table.uint16(
    IAPC_BOOT_ARCH,
    LEGACY_DEVICES | VGA_NOT_PRESENT | (has(PNP_KEYBOARD) ? HAS_8042 : 0) | (has(PNP_RTC) ? 0 : CMOS_RTC_NOT_PRESENT),
  )
  table.uint32(
    FLAGS,
    WBINVD |
      PROC_C1 |
      SLP_BUTTON |
      FIX_RTC |
      (timer === undefined ? 0 : TMR_VAL_EXT) |
      (reset === undefined ? 0 : RESET_REG_SUP),
  )
  if (reset !== undefined) {
    genericAddress(table, RESET_REG, reset.port, 1, BYTE)
    table.uint8(RESET_VALUE, reset.value)
  }
  table.uint8(FADT_MINOR_VERSION, MINOR_REVISION)
  table.text(HYPERVISOR_VENDOR_IDENTITY, 'NODE-KVM')
  return finishTable(table, SIGNATURE, REVISION)
}
