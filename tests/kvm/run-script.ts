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

/**
 * Runs tests/kvm/fixtures/NAME.mjs in a process of its own, to its end. One that hangs is killed. `limit`: an option of
 * prlimit(1) under which it runs.
 */
export function runScript(
  name: string,
  args: readonly (string | number)[] = [],
  flags: readonly string[] = [],
  limit?: string,
): Ended {
  const node = [process.execPath, ...flags, scriptPath(name), ...args.map(String)] as const
  const [command, ...rest] = limit === undefined ? node : (['prlimit', limit, ...node] as const)
  const { status, signal, stdout, stderr } = spawnSync(command, rest, { encoding: 'utf8', timeout: PATIENCE })
  return { status, signal, stdout, stderr }
}
