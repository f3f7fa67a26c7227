// By what a guest's drivers know devices: identifiers of Plug and Play devices (UEFI's PNP ID registry), and QEMU's.

export const PNP_SERIAL_16550A = 'PNP0501'
export const PNP_KEYBOARD = 'PNP0303'
export const PNP_RTC = 'PNP0B00'
export const PNP_HPET = 'PNP0103'
/** A PCI Express root, and what it is to a guest that knows PCI only. */
export const PNP_PCIE_ROOT = 'PNP0A08'
export const PNP_PCI_ROOT = 'PNP0A03'
/** Resources of the mainboard, which no driver takes. */
export const PNP_MAINBOARD = 'PNP0C02'
export const PVPANIC = 'QEMU0001'
/** QEMU's firmware configuration device. */
export const QEMU_FW_CFG = 'QEMU0002'
/** The VM generation ID. Drivers look for its _CID; for this name its specification lets one choose. */
export const GENERATION_ID = 'NKVM0001'
/** Whose interrupts are notifications to other devices. */
export const GENERIC_EVENT_DEVICE = 'ACPI0013'
/** A virtio device behind registers in memory (virtio 1.2 has none; Linux's and QEMU's). */
export const VIRTIO_MMIO = 'LNRO0005'
