/**
 * What an arm64 processor is to KVM, as plain data: the ids of its registers by name, and the attributes of its interrupt
 * controller. Nothing here needs KVM.
 *
 * @packageDocumentation
 */
export * from './gic.js'
export {
  registerId,
  type RegisterKind,
  registerKind,
  registerName,
  registerNames,
  registerSize,
} from './register-ids.js'
export type { SystemRegisterEncoding } from './system-registers.js'
