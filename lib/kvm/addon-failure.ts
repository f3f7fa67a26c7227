import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { KvmError } from '../errors.js'
import { foldersAbove, thisFile } from './addon-file.js'

const TOOLS = 'that needs g++, make, python3 and the kernel headers'
const COMPILE = `compile it here with npm rebuild node-kvm (${TOOLS})`

/** What kept the addon from being loaded, and what to do about it; `reason` is among the error's operands. */
interface Explanation {
  reason:
    | 'platform'
    | 'architecture'
    | 'addons-disabled'
    | 'not-built'
    | 'not-installed'
    | 'bundled'
    | 'no-such-file'
    | 'other-architecture'
    | 'not-an-addon'
    | 'musl'
    | 'old-libraries'
    | 'noexec'
    | 'unknown'
  message: string
}

/** The error for an addon that could not be loaded, or was not found. */
export function addonFailure(file: string | undefined, cause?: unknown): KvmError {
  const { platform, arch, version: node } = process
  const { reason, message } = explain(file, cause)
  return new KvmError('ERR_KVM_ADDON', message, { operands: { reason, file, platform, arch, node }, cause })
}

function explain(file: string | undefined, cause: unknown): Explanation {
  const { platform, arch } = process
  if (platform !== 'linux') {
    return { reason: 'platform', message: `node-kvm does not run on ${platform}: KVM is a part of the Linux kernel` }
  }
  if (arch !== 'x64' && arch !== 'arm64') {
    return { reason: 'architecture', message: `node-kvm does not run on ${arch}: it knows x64 and arm64` }
  }
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  if (code === 'ERR_DLOPEN_DISABLED' || code === 'ERR_ACCESS_DENIED') {
    return {
      reason: 'addons-disabled',
      message:
        'this process may not load native addons: start Node with --allow-addons where it has a permission model, ' +
        'with --allow-fs-read for the folder of node-kvm, and without --no-addons',
    }
  }
  return file === undefined ? missing() : refused(file, cause)
}

/** There is no addon where one is looked for. */
function missing(): Explanation {
  const root = foldersAbove(thisFile)
    .flatMap((folder) => [folder, join(folder, 'node_modules/node-kvm')])
    .find((folder) => nameOfPackage(folder) === 'node-kvm')
  if (root === undefined) {
    return {
      reason: 'bundled',
      message:
        `${thisFile} is a bundle, which cannot hold an addon, and has no node_modules/node-kvm beside or above it: ` +
        'install node-kvm there, or put a copy of its addon where the program runs and name it in NODE_KVM_ADDON',
    }
  }
  if (existsSync(join(root, 'tsconfig.json'))) {
    return { reason: 'not-built', message: `node-kvm is not built in ${root}: npm run build` }
  }
  return {
    reason: 'not-installed',
    message:
      `${root} has no addon for linux-${process.arch}, and its install script, which compiles one, did not run or failed: ` +
      'let it run (npm install-scripts approve node-kvm, pnpm approve-builds or bun pm trust node-kvm; no ignore-scripts), ' +
      `then npm rebuild node-kvm (${TOOLS})`,
  }
}

function nameOfPackage(folder: string): unknown {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: unknown }).name
  } catch {
    return undefined
  }
}

/** The system does not load the file. */
function refused(file: string, cause: unknown): Explanation {
  if (!existsSync(file))
    return { reason: 'no-such-file', message: `NODE_KVM_ADDON names ${file}: there is no such file` }
  const built = builtFor(file)
  if (built === undefined) {
    return { reason: 'not-an-addon', message: `${file} is not an addon for Linux: reinstall node-kvm here` }
  }
  if (built !== process.arch) {
    return {
      reason: 'other-architecture',
      message: `${file} is for ${built}, and this Node is for ${process.arch}: node_modules comes from another machine, install it here`,
    }
  }
  const text = cause instanceof Error ? cause.message : String(cause)
  const glibc = glibcVersion()
  if (glibc === undefined) {
    return { reason: 'musl', message: `${file} is for glibc, and this system has another C library (musl): ${COMPILE}` }
  }
  const [, wanted] = /version `([\w.]+)' not found/.exec(text) ?? []
  if (wanted !== undefined) {
    return {
      reason: 'old-libraries',
      message: `${file} needs ${wanted}, and this system has glibc ${glibc}: ${COMPILE}`,
    }
  }
  if (/failed to map segment/.test(text)) {
    return {
      reason: 'noexec',
      message: `${file} lies in a file system without execution (noexec): install node-kvm elsewhere`,
    }
  }
  return { reason: 'unknown', message: `${file} could not be loaded (${text}): ${COMPILE}` }
}

/** Of the C library that this Node runs on; undefined when that is not glibc. */
function glibcVersion(): string | undefined {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime
}

/** ELF-64, "Machine" (e_machine) in the file's header. */
const MACHINES: Record<number, string> = { 0x3e: 'x64', 0xb7: 'arm64' }

/** The architecture that a shared library is for; undefined when it is none for Linux. */
function builtFor(file: string): string | undefined {
  const header = Buffer.alloc(20)
  const fd = openSync(file, 'r')
  try {
    readSync(fd, header)
  } finally {
    closeSync(fd)
  }
  if (header.toString('latin1', 0, 4) !== '\x7fELF') return undefined
  const machine = header.readUInt16LE(18)
  return MACHINES[machine] ?? `ELF machine ${machine}`
}
