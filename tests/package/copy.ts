import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from './installed.js'

/** Where a package has the addon that it brings along. */
export const PREBUILD = `prebuilds/linux-${process.arch}/node-kvm.node`

/** A project that has the built package as it is installed, but for the addon. */
export class Copy {
  readonly folder = mkdtempSync(join(tmpdir(), 'node-kvm-copy-'))
  readonly package = join(this.folder, 'node_modules/node-kvm')

  constructor() {
    for (const path of ['package.json', 'dist']) cpSync(join(root, path), join(this.package, path), { recursive: true })
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: object }
    for (const name of Object.keys(dependencies)) {
      symlinkSync(join(root, 'node_modules', name), join(this.folder, 'node_modules', name))
    }
  }

  /** Puts a file into the project. */
  write(path: string, data: string | Uint8Array): string {
    const file = join(this.folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, data)
    return file
  }

  /** Gives the package this addon, or none. */
  setAddon(addon: Uint8Array | undefined): void {
    rmSync(join(this.package, 'prebuilds'), { recursive: true, force: true })
    if (addon !== undefined) this.write(`node_modules/node-kvm/${PREBUILD}`, addon)
  }

  run(args: string[], env: NodeJS.ProcessEnv = {}): { status: number | null; stdout: string; stderr: string } {
    const { NODE_KVM_ADDON: _, ...rest } = process.env
    return spawnSync(process.execPath, args, { cwd: this.folder, encoding: 'utf8', env: { ...rest, ...env } })
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true })
  }
}

export function prebuilt(): Buffer {
  const file = join(root, PREBUILD)
  if (!existsSync(file)) throw new Error(`${PREBUILD} is missing: node scripts/prebuild.mjs`)
  return readFileSync(file)
}
