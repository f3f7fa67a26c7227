/** Keeps the command's code compiled for the Node that runs this. Part of the installation, see package.json. */
import { setFlagsFromString } from 'node:v8'
import { CommandCode } from './command-code.js'

const code = new CommandCode(import.meta.dirname)
// All of it: else V8 leaves out each function that has not been called. The flag must be back when the result is made,
// because V8 refuses what was made with other flags.
setFlagsFromString('--no-lazy')
const script = code.compile()
setFlagsFromString('--lazy')
try {
  code.writeCompiled(script.createCachedData())
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error)
  console.error(`node-kvm: the command's compiled form cannot be kept (${reason}); the command starts more slowly`)
}
