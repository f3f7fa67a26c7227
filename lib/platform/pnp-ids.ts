// By what a guest's drivers know devices: identifiers of Plug and Play devices (UEFI's PNP ID registry), and QEMU's.

export const PNP_SERIAL_16550A = 'PNP0501'
export const PNP_KEYBOARD = 'PNP0303'
export const PNP_RTC = 'PNP0B00'
export const PNP_HPET = 'PNP0103'
export const PVPANIC = 'QEMU0001'
/** QEMU's firmware configuration device. */
export const QEMU_FW_CFG = 'QEMU0002'
