import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Runs a built example as a user would. */
export function spawnExample(name: string) {
  const program = fileURLToPath(new URL(`../../dist/examples/${name}.js`, import.meta.url))
  if (!existsSync(program)) throw new Error(`${program} is missing: run "npm run build" first`)
  return spawnSync(process.execPath, [program], { encoding: 'utf8', timeout: 60_000 })
}

/** The same, and returns all that it printed. A failure carries the example's own error. */
export function runExample(name: string): string {
  const { status, signal, stdout, stderr } = spawnExample(name)
  if (status !== 0 || stderr !== '')
    throw new Error(
      `example ${name} ended with ${signal ?? `status ${status}`}\n--- it printed\n${stdout}\n--- and to stderr\n${stderr}`,
    )
  return stdout
}
