// By what a guest's drivers know devices: identifiers of Plug and Play devices (UEFI's PNP ID registry), and QEMU's.

export const PNP_SERIAL_16550A = 'PNP0501'
export const PNP_KEYBOARD = 'PNP0303'
export const PNP_RTC = 'PNP0B00'
export const PNP_HPET = 'PNP0103'
export const PVPANIC = 'QEMU0001'
/** QEMU's firmware configuration device. */
export const QEMU_FW_CFG = 'QEMU0002'
/** A virtio device behind registers in memory (virtio 1.2 has none; Linux's and QEMU's). */
export const VIRTIO_MMIO = 'LNRO0005'
