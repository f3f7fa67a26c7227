import { promisify } from 'node:util'
import { inflateRaw } from 'node:zlib'
import type { ImageFile } from './image-file.js'

const inflate = promisify<Uint8Array, { maxOutputLength: number }, Uint8Array>(inflateRaw)

/** Unpacks compressed clusters, and keeps the last: a guest reads on where it has stopped. */
export class CompressedClusters {
  readonly #file: ImageFile
  readonly #clusterSize: number
  #last: { offset: number; bytes: Promise<Uint8Array> } | undefined

  constructor(file: ImageFile, clusterSize: number) {
    this.#file = file
    this.#clusterSize = clusterSize
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    if (this.#last?.offset !== offset) this.#last = { offset, bytes: this.#unpack(offset, length) }
    return this.#last.bytes
  }

  async #unpack(offset: number, length: number): Promise<Uint8Array> {
    try {
      const packed = new Uint8Array(length)
      await this.#file.read(offset, packed)
      const bytes = await inflate(packed, { maxOutputLength: this.#clusterSize })
      if (bytes.length !== this.#clusterSize) throw new Error('it is too short')
      return bytes
    } catch (cause) {
      this.#last = undefined
      throw Object.assign(this.#file.malformed('a compressed cluster cannot be unpacked'), { cause })
    }
  }
}
