/**
 * The command's code, and V8's compiled form of it: to read and compile half a megabyte takes longer than all that the command
 * does before a guest runs. V8 refuses the form of another version or of other flags, but looks neither at the code nor for
 * damage, of which it dies; so the code is kept with it, and the form itself twice: to compare is quicker than any checksum. Of
 * damage that is the same in both it knows nothing.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Script } from 'node:vm'

/** As Node wraps each CommonJS module. */
type Wrapper = (exports: object, require: NodeJS.Require, module: object, filename: string) => void

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
    const size = (file.length - this.#code.length) / 2
    if (size <= 0 || !file.subarray(0, this.#code.length).equals(this.#code)) return undefined
    const data = file.subarray(-size)
    return file.subarray(this.#code.length, -size).equals(data) ? data : undefined
  }

  /** Throws what the file system says. */
  writeCompiled(data: Buffer): void {
    const partial = `${this.compiledPath}.${process.pid}-${process.hrtime.bigint()}`
    try {
      writeFileSync(partial, Buffer.concat([this.#code, data, data]))
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

  /** `require` is that of a module in the same folder. */
  run(script: Script, require: NodeJS.Require): void {
    const module = { exports: {} }
    const wrapper = script.runInThisContext() as Wrapper
    wrapper(module.exports, require, module, this.#path)
  }
}
