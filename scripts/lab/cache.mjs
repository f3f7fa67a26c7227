// @ts-check
// What the lab downloads and unpacks, kept outside the checkout and shared by all checkouts. Every entry is a
// folder that is made under another name and renamed when it is complete, so that a half-made one is never seen.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/** Grows when an entry's content changes its meaning: older lab versions keep their own folder. */
const LAYOUT = '1'

/** @param {string[]} path */
export function cachePath(...path) {
  const base = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return join(base, 'node-kvm', 'lab', LAYOUT, ...path)
}

/** The newest entry of a kind, as a path. Entries are named NAME@VERSION. @param {string} name */
export function findEntry(name) {
  if (!existsSync(cachePath())) return undefined
  const entries = readdirSync(cachePath()).filter((entry) => entry.startsWith(`${name}@`))
  const newest = entries.sort(new Intl.Collator('en', { numeric: true }).compare).at(-1)
  return newest === undefined ? undefined : cachePath(newest)
}

/**
 * Makes an entry unless it is there.
 * @param {string} name
 * @param {string} version
 * @param {(folder: string) => Promise<void>} fill
 */
export async function addEntry(name, version, fill) {
  const path = cachePath(`${name}@${version}`)
  if (existsSync(path)) return
  mkdirSync(dirname(path), { recursive: true })
  const parent = mkdtempSync(cachePath('.making-'))
  try {
    const folder = join(parent, 'content')
    mkdirSync(folder)
    await fill(folder)
    renameSync(folder, path)
  } catch (error) {
    if (!existsSync(path)) throw error // else another lab was faster
  } finally {
    rmSync(parent, { recursive: true, force: true })
  }
}
