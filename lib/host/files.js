// @ts-check
import { readFileSync } from 'node:fs'

/**
 * A small file of /proc, /sys or /etc, trimmed; undefined when it cannot be read.
 * @param {string} path
 */
export function readText(path) {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined // what it would say is unknown then
  }
}
