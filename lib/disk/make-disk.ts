import { execFile } from 'node:child_process'
import { lstat, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { describeThrown, printable } from '../format.js'
import { checkInteger, checkOneOf, checkOptions, invalidArgument } from '../validate.js'
import { diskError } from './disk-error.js'

export interface MakeDiskOptions {
  /** A directory, or a tar archive (also one that is compressed as `tar` understands it). */
  from: string
  /** Of the disk, in bytes. Default: room for what is there, and as much again, 32 MiB at least. */
  size?: number
  /** Default: `ext4`. */
  type?: 'ext2' | 'ext3' | 'ext4'
  /** The file system's name, at most 16 characters. */
  label?: string
}

const MIB = 2 ** 20
const MIN_SIZE = 32 * MIB
const MAX_LABEL = 16
/** A file takes whole blocks, and an inode. */
const BLOCK = 4096
/** Root within: what somebody without rights hands over belongs to root in the guest. */
const isRoot = process.getuid?.() === 0
const AS_ROOT = isRoot ? [] : ['unshare', '--map-root-user']
/** Nobody but root can give files away, or make device nodes, which a guest's kernel makes itself. */
const EXTRACT = ['tar', '--extract', ...(isRoot ? [] : ['--no-same-owner', '--exclude=./dev/*', '--exclude=dev/*'])]

/**
 * Makes a raw disk, which is one file system with what a directory or a tar archive has; without any rights. Files belong to whom they
 * belong to when root makes it, else to root, and what is in an archive's `dev` is left out. Needs `mke2fs` (Debian: e2fsprogs). The
 * file appears at `path` when it is whole.
 *
 * Throws `ERR_KVM_DISK` with what the tools say.
 */
export async function makeDisk(path: string, options: MakeDiskOptions): Promise<void> {
  if (typeof path !== 'string' || path === '') throw invalidArgument('path', path, 'the name of a file')
  checkOptions('options', options, ['from', 'size', 'type', 'label'])
  const { from, size, label = '' } = options
  if (typeof from !== 'string') throw invalidArgument('from', from, 'a directory or a tar archive')
  const type = checkOneOf('type', options.type ?? 'ext4', ['ext2', 'ext3', 'ext4'])
  if (size !== undefined) checkInteger('size', size, MIB, Number.MAX_SAFE_INTEGER)
  if (typeof label !== 'string' || label.length > MAX_LABEL) {
    throw invalidArgument('label', label, `a string of at most ${MAX_LABEL} characters`)
  }
  // Beside the disk it becomes, so that it can be renamed; the content elsewhere.
  const work = await mkdtemp(join(tmpdir(), 'node-kvm-disk-'))
  const unfinished = join(dirname(path), `.${process.pid}-${Date.now()}.unfinished`)
  try {
    const content = (await isDirectory(path, from)) ? from : work
    if (content === work) await run(path, [...EXTRACT, '--file', from, '--directory', work])
    const bytes = size ?? Math.max(MIN_SIZE, 2 * (await sizeOf(content)))
    const named = label === '' ? [] : ['-L', label]
    const sectors = `${Math.ceil(bytes / 1024)}k`
    await run(path, ['mke2fs', '-q', '-F', '-t', type, ...named, '-d', content, unfinished, sectors])
    await rename(unfinished, path)
  } finally {
    await rm(unfinished, { force: true })
    await rm(work, { recursive: true, force: true })
  }
}

async function isDirectory(path: string, from: string): Promise<boolean> {
  try {
    return (await stat(from)).isDirectory()
  } catch (cause) {
    throw diskError(path, `cannot be made from ${printable(from)}: ${describeThrown(cause)}`, { from }, cause)
  }
}

/** What the files of a directory take, in bytes. */
async function sizeOf(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const size = entry.isFile() ? (await lstat(join(entry.parentPath, entry.name))).size : 0
    bytes += BLOCK * (1 + Math.ceil(size / BLOCK))
  }
  return bytes
}

async function run(path: string, command: readonly string[]): Promise<void> {
  const [program = '', ...args] = [...AS_ROOT, ...command]
  // Debian keeps mke2fs where only root looks.
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' }
  try {
    await promisify(execFile)(program, args, { env })
  } catch (cause) {
    const { code, stderr } = cause as { code?: unknown; stderr?: string }
    const missing = code === 'ENOENT' || /(mke2fs|tar).*No such file/.test(stderr ?? '')
    const advice = missing
      ? `${program} is not installed; on Debian: apt-get install e2fsprogs tar util-linux`
      : undefined
    const said = (stderr ?? '').trim() === '' ? describeThrown(cause) : printable((stderr ?? '').trim())
    throw diskError(path, `cannot be made: ${advice ?? said}`, { program: command[0] }, cause)
  }
}
