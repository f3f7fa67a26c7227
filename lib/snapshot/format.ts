import { createHash } from 'node:crypto'
import { KvmError } from '../errors.js'
import { show } from '../format.js'
import { StateReader } from '../state.js'

/** What the first line of a state file says it is. */
const FORMAT = 'node-kvm snapshot'
const VERSION = 1
/** A state file is some 100 KiB; a machine with many queues and vCPUs has a few MiB. */
export const MAX_STATE_BYTES = 2 ** 26
const MAX_LINE = 256

/** How much of memory has one checksum, in bytes. */
export const CHUNK = 2 ** 22

/** Of which other snapshot this one has only what differs. */
export interface Parent {
  /** Relative to this one's directory. */
  directory: string
  id: string
}

/** A stretch of the memory file. */
export interface MemoryPart {
  /** Guest physical address of its first byte. */
  at: number
  /** In bytes. */
  size: number
  /** Where it begins in the memory file. */
  offset: number
}

/** What a state file has. */
export interface SnapshotContent {
  /** Unique: a parent is known by it. */
  id: string
  /** When it was taken: ISO 8601. */
  created: string
  parent?: Parent
  /** The file with the memory, in the same directory. */
  file: string
  parts: MemoryPart[]
  /**
   * The SHA-256 of each chunk of the memory file, in hexadecimal digits, and nothing where it has none but zeros; of a snapshot
   * with a parent, nothing where it has no pages.
   */
  sums: (string | null)[]
  /** Of one with a parent: which pages it has, as pairs of the first page's number in the file and how many follow each other. */
  pages?: [first: number, count: number][]
  /** What `machine.save()` returned. */
  machine: object
}

/** A state file: a line that says what it is, with a checksum of the rest; then the rest. */
export function encodeSnapshot(content: SnapshotContent): string {
  const body = JSON.stringify(content)
  if (body.length > MAX_STATE_BYTES - MAX_LINE) {
    throw new KvmError('ERR_KVM_SNAPSHOT', 'too many stretches of memory differ: leave `base` out', {
      operands: { bytes: body.length },
    })
  }
  return `${JSON.stringify({ format: FORMAT, version: VERSION, sha256: sum(body) })}\n${body}\n`
}

/** Reads one, which may have come from anywhere. Throws `ERR_KVM_SNAPSHOT` for what is none, or was damaged. */
export function decodeSnapshot(path: string, text: string): SnapshotContent {
  const end = text.indexOf('\n')
  const head = end < 0 || end > MAX_LINE ? undefined : parse(text.slice(0, end))
  if (head?.['format'] !== FORMAT) throw damaged(path, 'it is no snapshot of a machine')
  if (head['version'] !== VERSION) {
    const versions = `it has version ${show(head['version'])}, and this library reads version ${VERSION}`
    throw damaged(path, `${versions}; restore it with the library that took it`)
  }
  const body = text.slice(end + 1).replace(/\n$/, '')
  if (head['sha256'] !== sum(body)) throw damaged(path, 'its checksum is wrong: it has been damaged, or cut off')
  const content = parse(body)
  if (content === undefined) throw damaged(path, 'it is not JSON')
  return readContent(path, content)
}

function readContent(path: string, content: object): SnapshotContent {
  const reader = new StateReader(`the snapshot ${path}`, content)
  const parts = reader.parts('parts', 512).map((part) => ({
    at: part.integer('at', Number.MAX_SAFE_INTEGER),
    size: multiple(part, 'size', PAGE),
    offset: multiple(part, 'offset', CHUNK),
  }))
  const length = parts.reduce((end, { offset, size }) => Math.max(end, offset + size), 0)
  const file = reader.string('file', 64)
  if (!/^memory-[0-9a-f]{16}$/.test(file)) throw reader.refuse('file', 'the name of a file beside it')
  const sums = reader.list('sums', Math.ceil(length / CHUNK))
  if (sums.length !== Math.ceil(length / CHUNK)) throw reader.refuse('sums', 'one for each chunk of the memory')
  const parent = reader.has('parent') ? reader.part('parent') : undefined
  return {
    id: readId(reader),
    created: reader.string('created', 64),
    ...(parent && { parent: { directory: parent.string('directory', 4096), id: readId(parent) } }),
    file,
    parts,
    sums: sums.map((each) => {
      if (each !== null && !(typeof each === 'string' && /^[0-9a-f]{64}$/.test(each))) {
        throw reader.refuse('sums', 'made of SHA-256 checksums')
      }
      return each
    }),
    ...(parent && { pages: readPages(reader, length) }),
    machine: reader.object('machine'),
  }
}

function multiple(part: StateReader, member: string, unit: number): number {
  const value = part.integer(member, 2 ** 46)
  if (value % unit !== 0) throw part.refuse(member, `a multiple of ${unit}`)
  return value
}

function readId(reader: StateReader): string {
  const id = reader.string('id', 36)
  if (!/^[0-9a-f-]{36}$/.test(id)) throw reader.refuse('id', 'a UUID')
  return id
}

/** Runs of pages, in order, that do not overlap and lie within the file. */
function readPages(reader: StateReader, length: number): [number, number][] {
  const last = length / PAGE
  let next = 0
  return reader.list('pages', last).map((run) => {
    const [first, count] = Array.isArray(run) ? (run as unknown[]) : []
    const isRun = Number.isSafeInteger(first) && Number.isSafeInteger(count)
    const [from, pages] = [Number(first), Number(count)]
    if (!isRun || from < next || pages < 1 || from + pages > last)
      throw reader.refuse('pages', 'runs of pages, in order')
    next = from + pages
    return [from, pages]
  })
}

/** In bytes: what a memory file is made of. */
export const PAGE = 4096

export function damaged(path: string, why: string, cause?: unknown): KvmError {
  return new KvmError('ERR_KVM_SNAPSHOT', `${path} cannot be restored: ${why}`, {
    operands: { path },
    ...(cause === undefined ? {} : { cause }),
  })
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}

const sum = (text: string) => createHash('sha256').update(text).digest('hex')
