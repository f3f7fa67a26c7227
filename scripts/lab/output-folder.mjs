// @ts-check
// The output folder is the one place where root inside a lab host writes outside of it. What it left there is
// reduced to what results are made of: a link could lead its reader elsewhere, a device node could be opened.

import { chmodSync, lstatSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const SPECIAL_BITS = 0o7000

/** Removes all but plain files and folders, and set-user-ID bits. @param {string} folder */
export function keepPlainFiles(folder) {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name)
    const status = lstatSync(path)
    if (!status.isFile() && !status.isDirectory()) rmSync(path, { force: true })
    else if (status.mode & SPECIAL_BITS) chmodSync(path, status.mode & 0o777)
  }
}
