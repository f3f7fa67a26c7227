import { readImage } from '../image/image-file.js'
import { checkBytes, checkOptions } from '../validate.js'
import { ELF_MAGIC, parseElfSymbols } from './elf-symbols.js'
import { SymbolTable } from './symbols.js'
import { parseSystemMap } from './system-map.js'

export interface SymbolOptions {
  /**
   * How far the guest runs from where it was linked, in bytes (Linux: KASLR). Default: not known; a post-mortem finds it out
   * where it can, and takes 0 where not.
   */
  slide?: bigint
}

/**
 * The symbols of an ELF file (`vmlinux`, with its .symtab), or of a System.map. What is malformed throws
 * `ERR_KVM_BOOT_IMAGE` with the field and its offset. The bytes must not change afterwards.
 */
export function parseSymbols(bytes: Uint8Array, options: SymbolOptions = {}): SymbolTable {
  checkBytes('bytes', bytes)
  checkOptions('options', options, ['slide'])
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const isElf = bytes.length >= 4 && view.getUint32(0, true) === ELF_MAGIC
  return new SymbolTable(isElf ? parseElfSymbols(bytes) : parseSystemMap(bytes), options.slide)
}

/** The same from a file. A file that cannot be read, or is none, throws `ERR_KVM_BOOT_IMAGE` too. */
export async function readSymbols(path: string, options: SymbolOptions = {}): Promise<SymbolTable> {
  return parseSymbols(await readImage(path, { name: 'symbols' }), options)
}
