import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** Runs the built `node-kvm` command. */
export function runCli(...args: string[]) {
  return runCliWith({}, ...args)
}

/** The same with other descriptors: pipes are the rest; that of standard input has ended. */
export function runCliWith(descriptors: { stdin?: number; stdout?: number }, ...args: string[]) {
  const { stdin = 'pipe', stdout: out = 'pipe' } = descriptors
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    encoding: 'utf8',
    stdio: [stdin, out, 'pipe'],
  })
  return { status, stdout, stderr }
}
