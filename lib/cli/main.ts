#!/usr/bin/env node
/**
 * The `node-kvm` command: starts command.ts, with what compile.ts has compiled of it when the package was installed. Where
 * that is not to be had, or is another V8's, the command does the same, and takes longer to begin.
 */
import { CommandCode } from './command-code.js'

const code = new CommandCode(import.meta.dirname)
code.run(code.compile(code.readCompiled()), require)
