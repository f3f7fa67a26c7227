import type { Device } from '../bus/device.js'
import type { HostEvent } from '../bus/host-event.js'
import type { StateReader } from '../state.js'
import type { Message, MessageRoutes } from './messages.js'
import * as R from './registers.js'

/** An event that triggers a vector; `link` while the host does that by itself. */
interface Connection {
  readonly vector: number
  readonly event: HostEvent
  link?: { close(): void } | undefined
}

const WORD_BITS = 32
const WORD = 2 ** 32
const WORDS_PER_PAGE = 1024
const BYTES = 4

/** What of MSI-X a saved state has, in words of 32 bits. */
export interface MsixState {
  table: number[]
  pending: number[]
}

/**
 * The vectors of a function: their table, and which of them are pending, as a device behind a BAR. Bytes of any width and number
 * are taken: a vector is what its words say after each access.
 */
export class Msix implements Pick<Device, 'read' | 'write'> {
  readonly count: number
  /** In bytes, a power of two: the table in the first half, the pending bits in the second one. */
  readonly length: number
  readonly #words: Uint32Array
  readonly #bytes: Uint8Array
  readonly #pendingAt: number
  readonly #routes: MessageRoutes
  readonly #all: readonly number[]
  // What each vector's route was made of.
  readonly #routed = new Map<number, Message>()
  readonly #connections = new Set<Connection>()
  #enabled = false
  #masked = false

  constructor(count: number, routes: MessageRoutes) {
    this.count = count
    this.#routes = routes
    this.#all = Array.from({ length: count }, (_, vector) => vector)
    const half = Math.max(WORDS_PER_PAGE * BYTES, 2 ** Math.ceil(Math.log2(count * R.MSIX_ENTRY)))
    this.length = 2 * half
    this.#pendingAt = half
    this.#words = new Uint32Array(this.length / BYTES)
    this.#bytes = new Uint8Array(this.#words.buffer)
    this.#maskAll()
  }

  /** Where the pending bits begin. */
  get pendingAt(): number {
    return this.#pendingAt
  }

  get enabled(): boolean {
    return this.#enabled
  }

  /** Whether the function uses its vectors, and whether all of them are held back. */
  control(enabled: boolean, masked: boolean): void {
    if (enabled === this.#enabled && masked === this.#masked) return
    this.#enabled = enabled
    this.#masked = masked
    if (enabled) this.#send(this.#all)
    else this.#pending.fill(0)
    this.#link()
  }

  trigger(vector: number): void {
    if (!this.#enabled) return
    if (!this.#isOpen(vector)) this.#setPending(vector, true)
    else this.#routes.trigger(vector)
  }

  /** From now on `event` triggers the vector, by the host alone while the vector is open. */
  connect(vector: number, event: HostEvent): { close(): void } {
    const connection: Connection = { vector, event }
    this.#connections.add(connection)
    this.#link()
    return {
      close: () => {
        this.#connections.delete(connection)
        connection.link?.close()
      },
    }
  }

  read(offset: number, data: Uint8Array): void {
    for (let index = 0; index < data.length; index++) data[index] = this.#bytes[offset + index] ?? 0
  }

  write(offset: number, data: Uint8Array): void {
    const end = Math.min(offset + data.length, this.count * R.MSIX_ENTRY)
    if (offset >= end) return
    this.#bytes.set(data.subarray(0, end - offset), offset)
    const touched: number[] = []
    for (let vector = Math.floor(offset / R.MSIX_ENTRY); vector * R.MSIX_ENTRY < end; vector++) {
      touched.push(vector)
    }
    this.#hold(touched)
    if (this.#enabled) this.#send(touched)
    this.#link()
  }

  reset(): void {
    this.#enabled = this.#masked = false
    this.#words.fill(0)
    this.#maskAll()
    this.#link()
  }

  save(): MsixState {
    return { table: [...this.#table], pending: [...this.#pending] }
  }

  /** Checks a state, and returns what takes it over. */
  check(state: StateReader): () => void {
    const table = state.integers('table', this.#table.length, WORD - 1, true)
    const pending = state.integers('pending', this.#pending.length, WORD - 1, true)
    return () => {
      this.#table.set(table)
      this.#pending.set(pending)
      this.#hold()
    }
  }

  get #table(): Uint32Array {
    return this.#words.subarray(0, this.count * R.MSIX_ENTRY_WORDS)
  }

  get #pending(): Uint32Array {
    const start = this.#pendingAt / BYTES
    return this.#words.subarray(start, start + Math.ceil(this.count / WORD_BITS))
  }

  #word(vector: number, word: number): number {
    return this.#words[vector * R.MSIX_ENTRY_WORDS + word] ?? 0
  }

  #isOpen(vector: number): boolean {
    return !this.#masked && (this.#word(vector, 3) & R.MSIX_VECTOR_MASK) === 0
  }

  #setPending(vector: number, on: boolean): void {
    const [word, bit] = [Math.floor(vector / WORD_BITS), 1 << (vector % WORD_BITS)]
    const before = this.#pending[word] ?? 0
    this.#pending[word] = on ? before | bit : before & ~bit
  }

  #isPending(vector: number): boolean {
    return ((this.#pending[Math.floor(vector / WORD_BITS)] ?? 0) & (1 << (vector % WORD_BITS))) !== 0
  }

  /** The host sends what is open, and nothing else. */
  #link(): void {
    for (const connection of this.#connections) {
      const isOpen = this.#enabled && this.#isOpen(connection.vector)
      if (!isOpen) {
        connection.link?.close()
        connection.link = undefined
      } else connection.link ??= this.#routes.connect?.(connection.vector, connection.event)
    }
  }

  /** These vectors may have been let through: leads them where they go now, and sends what is pending. */
  #send(vectors: readonly number[]): void {
    const open = vectors.filter((vector) => this.#isOpen(vector))
    const changed = open.flatMap((vector) => {
      const message = { address: this.#word(vector, 1) * WORD + this.#word(vector, 0), data: this.#word(vector, 2) }
      const before = this.#routed.get(vector)
      return before?.address === message.address && before.data === message.data ? [] : [[vector, message] as const]
    })
    if (changed.length > 0) this.#routes.route(changed)
    for (const [vector, message] of changed) this.#routed.set(vector, message)
    for (const vector of open) {
      if (!this.#isPending(vector)) continue
      this.#setPending(vector, false)
      this.#routes.trigger(vector)
    }
  }

  /** No bits but those that there are. */
  #hold(vectors: readonly number[] = this.#all): void {
    for (const vector of vectors) {
      this.#words[vector * R.MSIX_ENTRY_WORDS + 3] = this.#word(vector, 3) & R.MSIX_VECTOR_MASK
    }
    const last = this.count % WORD_BITS
    const pending = this.#pending
    if (last !== 0) pending[pending.length - 1] = (pending.at(-1) ?? 0) & (2 ** last - 1)
  }

  /** As they are when power comes on. */
  #maskAll(): void {
    for (const vector of this.#all) this.#words[vector * R.MSIX_ENTRY_WORDS + 3] = R.MSIX_VECTOR_MASK
  }
}
