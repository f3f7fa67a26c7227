#!/usr/bin/env node
/**
 * The `node-kvm` command: starts command.ts, with what compile.ts has compiled of it when the package was installed. Where
 * that is not to be had, or is another V8's, the command does the same, and takes longer to begin.
 */
import { existsSync, readFileSync } from 'node:fs'
import { compileCommand, compiledPath, runCommand } from './compiled.js'

const folder = import.meta.dirname
const compiled = compiledPath(folder)
runCommand(folder, compileCommand(folder, existsSync(compiled) ? readFileSync(compiled) : undefined))
