import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The status of an example that this host cannot run; it has said what is lacking. */
export const LACKING = 77

/** Runs a built example as a user would. */
export function spawnExample(name: string) {
  const program = fileURLToPath(new URL(`../../dist/examples/${name}.js`, import.meta.url))
  if (!existsSync(program)) throw new Error(`${program} is missing: run "npm run build" first`)
  return spawnSync(process.execPath, [program], { encoding: 'utf8', timeout: 60_000 })
}

/** All that an example printed. A failure carries its own error. */
export function outputOf(name: string, { status, signal, stdout, stderr }: ReturnType<typeof spawnExample>): string {
  if (status !== 0 || stderr !== '')
    throw new Error(
      `example ${name} ended with ${signal ?? `status ${status}`}\n--- it printed\n${stdout}\n--- and to stderr\n${stderr}`,
    )
  return stdout
}
