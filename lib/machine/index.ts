/**
 * A ready-made machine: a VM with its memory map, devices and boot.
 *
 * @packageDocumentation
 */
import type { Machine } from './machine.js'
import type { MachineTemplate } from './template.js'

export {
  type BootContext,
  type BootSource,
  firmware,
  flat,
  type Image,
  kernel,
  type KernelSourceOptions,
  linux,
  type LinuxOptions,
  type ModuleSource,
} from './boot-source.js'
export type { FileDisk, FileDiskOptions } from '../disk/file-disk.js'
export type { DiskOptions } from '../disk/open-disk.js'
export { makeDisk, type MakeDiskOptions } from '../disk/make-disk.js'
export { openDisk } from './disk.js'
export { openTap, type TapOptions } from './tap.js'
export { type ExpectOptions, GuestConsole, type GuestConsoleOptions } from './console.js'
export type { Expected } from './console-text.js'
export type { AcpiName, DeviceNode, NodeResource, Range } from '../platform/node.js'
export type { ExitAnswer, ExitReason } from './exit-table.js'
export type { DeviceHost, MachineDevice, PciHost } from './host.js'
export { pci } from './pci.js'
export { hpet } from './x86/hpet-device.js'
export { Machine, type MachineRunOptions, type PostMortemOptions } from './machine.js'
export type { MachineShape, MachineState } from './machine-state.js'
export type { SavedDevice } from './saved-devices.js'
export type { RestoreOptions } from './restore-options.js'
export { Snapshot, type SnapshotInfo } from './snapshot.js'
export type { SnapshotOptions } from './snapshot-options.js'
export type { MigrateOptions, MigrationProgress, MigrationReport, ReceiveOptions } from './migration/options.js'
export type { MachineOrigin } from './origin.js'
export type { MachineTemplate } from './template.js'
export type { SavedRegion } from './machine-memory.js'
export type { ExitEvent, Observer } from './observers.js'
export type { MachineOptions, MemoryMap } from './options.js'
export { describeOutcome, type GuestPlace, type Outcome } from './outcome.js'
export { virtio, type VirtioOptions, virtioParameter, type VirtioPlace } from './virtio.js'
export { type VirtioConsole, virtioConsole, type VirtioConsoleOptions } from './virtio-console.js'
export type { LineEndOptions } from './line-ends.js'
export type { OutputTarget } from './console-output.js'
export { serial, type SerialDevice, type SerialDeviceOptions } from './serial-device.js'

/** A machine as it was when it was frozen, to be forked. */
export type Template = MachineTemplate<Machine>
