/**
 * The command's code, and V8's compiled form of it: to read and compile half a megabyte takes longer than all that the command
 * does before a guest runs. V8 refuses the form of another version or of other flags, but looks neither at the code nor for
 * damage, of which it dies; so checksums of both stand in front.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Script } from 'node:vm'
import { crc32 } from 'node:zlib'

/** As Node wraps each CommonJS module. */
type Wrapper = (exports: object, require: NodeJS.Require, module: object, filename: string) => void

/** Two CRC-32: of the code, and of its compiled form. */
const HEADER_SIZE = 8

export class CommandCode {
  readonly #path: string
  readonly #code: Buffer
  /** Where the compiled form is kept, for this Node. */
  readonly compiledPath: string

  constructor(folder: string) {
    this.#path = join(folder, 'command.js')
    this.#code = readFileSync(this.#path)
    this.compiledPath = join(folder, `command-${process.version}-${process.arch}.compiled`)
  }

  /** The compiled form, if it can be read, is whole, and is of this code. */
  readCompiled(): Buffer | undefined {
    let file: Buffer
    try {
      file = readFileSync(this.compiledPath)
    } catch {
      return undefined // the command does without
    }
    const data = file.subarray(HEADER_SIZE)
    return file.length > HEADER_SIZE && file.subarray(0, HEADER_SIZE).equals(this.#header(data)) ? data : undefined
  }

  /** Throws what the file system says. */
  writeCompiled(data: Buffer): void {
    const partial = `${this.compiledPath}.${process.pid}-${process.hrtime.bigint()}`
    try {
      writeFileSync(partial, Buffer.concat([this.#header(data), data]))
      renameSync(partial, this.compiledPath)
    } catch (error) {
      rmSync(partial, { force: true })
      throw error
    }
  }

  compile(cachedData?: Buffer): Script {
    const code = this.#code.toString()
    return new Script(`(function (exports, require, module, __filename) {'use strict';${code}\n})`, {
      filename: this.#path,
      ...(cachedData === undefined ? {} : { cachedData }),
    })
  }

  run(script: Script): void {
    const module = { exports: {} }
    const wrapper = script.runInThisContext() as Wrapper
    wrapper(module.exports, createRequire(this.#path), module, this.#path)
  }

  #header(data: Buffer): Buffer {
    const header = Buffer.alloc(HEADER_SIZE)
    header.writeUInt32LE(crc32(this.#code), 0)
    header.writeUInt32LE(crc32(data), 4)
    return header
  }
}
