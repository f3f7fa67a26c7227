// QEMU's own tools, with which what we do to an image is compared.
import { spawnSync } from 'node:child_process'
import { ensurePackages, missingPackages } from '../../../scripts/system-packages.mjs'

/** Installs it where that may be done. False where it cannot be had. */
export const hasQemuImg = ensurePackages(missingPackages({ 'qemu-img': 'qemu-utils' }))

/** A test that waits for a program cannot be stopped by its own limit. */
const PATIENCE_MS = 60_000

export function qemuImg(...args: string[]): string {
  const { status, output } = run('qemu-img', args)
  if (status !== 0) throw new Error(`qemu-img ${args.join(' ')} ended with ${status}\n${output}`)
  return output
}

/** `commands` of qemu-io. */
export function qemuIo(image: string, ...commands: string[]): void {
  const args = commands.flatMap((command) => ['-c', command])
  const { status, output } = run('qemu-io', ['-f', 'qcow2', ...args, image])
  if (status !== 0 || /error|failed/i.test(output)) throw new Error(`qemu-io ended with ${status}\n${output}`)
}

/** What `qemu-img check` finds. Clusters that are lost hurt nobody; anything else it calls corrupt. */
export function qemuImgCheck(image: string): string {
  const { status, output } = run('qemu-img', ['check', '-f', 'qcow2', image])
  if (status === 0 || status === 3) return output
  throw new Error(`qemu-img check ended with ${status}\n${output}`)
}

function run(program: string, args: string[]) {
  // A sanitizer's runtime that Node is given beforehand (scripts/variant.mjs) is not for QEMU: its coroutines hang in it.
  const { LD_PRELOAD: _, ...env } = process.env
  const options = { encoding: 'utf8', env, timeout: PATIENCE_MS, killSignal: 'SIGKILL' } as const
  const { status, stdout, stderr, error } = spawnSync(program, args, options)
  return { status, output: `${stdout}${stderr}${error === undefined ? '' : error.message}` }
}
