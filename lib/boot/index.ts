/**
 * Boot loaders: they take an image's bytes, write into guest memory, and return the state in which the first vCPU enters.
 *
 * @packageDocumentation
 */
export type { KernelOptions } from './linux/options.js'
export { loadBzImage } from './linux/bzimage.js'
export {
  type AddressRange,
  type E820Entry,
  type E820Type,
  e820Map,
  memoryLayout,
  type MemoryLayout,
  type MemoryLayoutOptions,
} from '../arch/x86/memory-layout.js'
export type { EntryRegs, EntryState, EntrySregs, SegmentState, TableRegister } from '../arch/x86/registers.js'
export type { BootResult } from './types.js'
export type { LoadMemory, Placed } from '../memory/placed.js'
export { loadVmlinux } from './linux/vmlinux.js'
export { hasPvhEntry, loadPvh } from './pvh.js'
export { detectFormat, type ImageFormat } from './detect-format.js'
export { unpackKernel, type UnpackOptions } from './linux/unpack-kernel.js'
export { loadFirmware, type FirmwareResult } from './firmware.js'
export { type FlatOptions, loadElf, loadFlat, type StartMode } from './flat.js'
export { readImage, type ReadImageOptions } from '../image/image-file.js'
export type { BootModule, MultibootOptions } from './multiboot/modules.js'
export { loadMultiboot } from './multiboot/multiboot1.js'
export { loadMultiboot2 } from './multiboot/multiboot2.js'
export { kernelFormat, type KernelFormat, loadKernel, type LoadKernelOptions } from './load.js'
