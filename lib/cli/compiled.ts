/**
 * The command's code, and where V8's compiled form of it is kept: to read and compile half a megabyte of it took longer than
 * all that the command does before a guest runs. V8 takes the compiled form only if it is of the same version of V8 with the
 * same flags and of code of the same length, and compiles anew if not; scripts/bundle.mjs removes it before it writes other
 * code.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Script } from 'node:vm'

const commandPath = (folder: string) => join(folder, 'command.cjs')
export const compiledPath = (folder: string): string => join(folder, 'command.compiled')

/** As Node wraps each CommonJS module. */
type Wrapper = (exports: object, require: NodeJS.Require, module: object, filename: string) => void

/** Compiles the command in a folder, or takes what was compiled of it before. */
export function compileCommand(folder: string, cachedData?: Buffer): Script {
  const filename = commandPath(folder)
  return new Script(`(function (exports, require, module, __filename) {${readFileSync(filename, 'utf8')}\n})`, {
    filename,
    ...(cachedData === undefined ? {} : { cachedData }),
  })
}

export function runCommand(folder: string, script: Script): void {
  const filename = commandPath(folder)
  const module = { exports: {} }
  const wrapper = script.runInThisContext() as Wrapper
  wrapper(module.exports, createRequire(filename), module, filename)
}
