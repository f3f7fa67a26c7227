/** Keeps the command's code compiled for the Node that runs this. Part of the installation, see package.json. */
import { renameSync, writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { compileCommand, compiledPath } from './compiled.js'

// All of it: else V8 leaves out each function that has not been called. The flag must be back when the result is made,
// because V8 refuses what was made with other flags.
setFlagsFromString('--no-lazy')
const script = compileCommand(import.meta.dirname)
setFlagsFromString('--lazy')
const path = compiledPath(import.meta.dirname)
const partial = `${path}.${process.pid}`
writeFileSync(partial, script.createCachedData())
renameSync(partial, path)
