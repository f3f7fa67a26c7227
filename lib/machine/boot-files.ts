import { KvmError } from '../errors.js'

type File = string | Uint8Array

/** The files of a boot source: paths, or bytes that have no name. */
export interface BootFiles {
  /** What starts: a kernel, a flat binary, firmware. */
  kernel: File
  initrd?: File | undefined
  modules?: readonly { image: File }[] | undefined
}

/** Loaders know bytes and not where they come from: what is returned adds the file's path to the errors of a load. */
export function namingFiles(files: BootFiles): <T>(load: () => T) => T {
  return (load) => {
    try {
      const result = load()
      return (
        result instanceof Promise ? result.catch((error: unknown) => rethrow(error, files)) : result
      ) as typeof result
    } catch (error) {
      return rethrow(error, files)
    }
  }
}

function rethrow(error: unknown, files: BootFiles): never {
  if (!(error instanceof KvmError) || error.code !== 'ERR_KVM_BOOT_IMAGE') throw error
  const path = fileOf(files, String(error.operands['image']))
  if (typeof path !== 'string') throw error
  throw new KvmError(error.code, `${path}: ${error.message}`, { operands: { ...error.operands, path }, cause: error })
}

/** By what a loader calls the image. Most of its names are those of formats, and so the kernel's. */
function fileOf({ kernel, initrd, modules = [] }: BootFiles, image: string): File | undefined {
  if (image === 'initrd') return initrd
  const [, index] = /^module (\d+)$/.exec(image) ?? []
  if (index !== undefined) return modules[Number(index)]?.image
  return NO_FILE.includes(image) ? undefined : kernel
}

/** What is no file: the guest's memory, and what the caller has written. */
const NO_FILE = ['guest memory', 'command line', 'modules', 'Multiboot information', 'boot_params']
