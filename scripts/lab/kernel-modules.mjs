// @ts-check
// Which module files a kernel needs for a set of modules, in loading order. A Debian kernel package holds no
// modules.dep (depmod writes it on installation), so the dependencies are read from the modules themselves.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * @typedef {object} KernelModule
 * @property {string} name
 * @property {Buffer} data
 */

/** A module's name has underscores wherever its file has dashes. @param {string} name */
const canonical = (name) => name.replaceAll('-', '_')

/** @param {Buffer} data the module's ELF file; .modinfo is a list of NUL-terminated key=value strings */
function dependencies(data) {
  const key = '\0depends='
  const start = data.indexOf(key)
  if (start < 0) return []
  const from = start + key.length
  return data.toString('latin1', from, data.indexOf(0, from)).split(',').filter(Boolean)
}

/**
 * Finds modules and all they depend on, dependencies first. Modules that the kernel has built in are left out.
 * @param {string} moduleTree  the lib/modules/VERSION folder of an unpacked kernel package
 * @param {readonly string[]} wanted
 * @returns {KernelModule[]}
 */
export function resolveModules(moduleTree, wanted) {
  /** @type {Map<string, string>} */
  const files = new Map()
  for (const path of readdirSync(moduleTree, { recursive: true, encoding: 'utf8' })) {
    const match = /([^/]+)\.ko$/.exec(path)
    if (match?.[1] !== undefined) files.set(canonical(match[1]), join(moduleTree, path))
  }
  const builtin = new Set(
    readFileSync(join(moduleTree, 'modules.builtin'), 'utf8')
      .split('\n')
      .map((line) => canonical(/([^/]+)\.ko$/.exec(line)?.[1] ?? '')),
  )

  /** @type {Map<string, KernelModule>} */
  const resolved = new Map()
  /** @param {string} name */
  function visit(name) {
    if (resolved.has(name) || builtin.has(name)) return
    const path = files.get(name)
    if (path === undefined) throw new Error(`${moduleTree} has no kernel module ${name}`)
    const data = readFileSync(path)
    dependencies(data).forEach((dependency) => visit(canonical(dependency)))
    resolved.set(name, { name, data })
  }
  wanted.forEach((name) => visit(canonical(name)))
  return [...resolved.values()]
}
