import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Where a package has its addon: first the one that was compiled on this machine. */
const PLACES = ['build/Release/node_kvm.node', `prebuilds/linux-${process.arch}/node-kvm.node`]

/** This file, or the bundle that it has become a part of; for CommonJS some bundlers leave nothing of import.meta. */
export const thisFile = (import.meta.filename as string | undefined) ?? __filename

/**
 * The addon of the package that this file belongs to. A program that has been bundled is no part of it any more; its addon
 * is found where Node would find the package.
 */
export function findAddon(): string | undefined {
  for (const folder of foldersAbove(thisFile)) {
    for (const root of [folder, `${folder}/node_modules/node-kvm`]) {
      for (const place of PLACES) if (existsSync(`${root}/${place}`)) return join(root, place)
    }
  }
  return undefined
}

/** What require() would do in the end; before that it takes two milliseconds to look for the file. */
export function loadAddon(file: string): unknown {
  const addon = { exports: {} }
  process.dlopen(addon, file)
  return addon.exports
}

/** From the folder of a file up to the root. */
export function foldersAbove(file: string): string[] {
  const folder = dirname(file)
  return folder === file ? [] : [folder, ...foldersAbove(folder)]
}
