import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** Runs the built `node-kvm` command. */
export function runCli(...args: string[]) {
  return runCliWith('pipe', ...args)
}

/** The same with that as standard input: a pipe that has ended, or an open file. */
export function runCliWith(stdin: 'pipe' | number, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    encoding: 'utf8',
    stdio: [stdin, 'pipe', 'pipe'],
  })
  return { status, stdout, stderr }
}
