import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { PATIENCE } from './amounts.js'

export interface Ended {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export function scriptPath(name: string): string {
  if (!existsSync(fileURLToPath(new URL('../../dist/index.js', import.meta.url)))) {
    throw new Error('dist/ is missing: run "npm run build" first')
  }
  return fileURLToPath(new URL(`fixtures/${name}.mjs`, import.meta.url))
}

/** Runs tests/kvm/fixtures/NAME.mjs in a process of its own, to its end. One that hangs is killed. */
export function runScript(name: string, args: readonly (string | number)[] = [], flags: readonly string[] = []): Ended {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [...flags, scriptPath(name), ...args.map(String)],
    { encoding: 'utf8', timeout: PATIENCE },
  )
  return { status, signal, stdout, stderr }
}
