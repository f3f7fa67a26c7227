// QEMU's own tool, with which what we do to an image is compared.
import { spawnSync } from 'node:child_process'
import { ensurePackages, missingPackages } from '../../../scripts/system-packages.mjs'

/** Installs it where that may be done. False where it cannot be had. */
export const hasQemuImg = ensurePackages(missingPackages({ 'qemu-img': 'qemu-utils' }))

export function qemuImg(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('qemu-img', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`qemu-img ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`)
  return stdout
}

/** `commands` of qemu-io. */
export function qemuIo(image: string, ...commands: string[]): void {
  const args = commands.flatMap((command) => ['-c', command])
  const { status, stdout, stderr } = spawnSync('qemu-io', ['-f', 'qcow2', ...args, image], { encoding: 'utf8' })
  if (status !== 0 || /error|failed/i.test(stdout)) throw new Error(`qemu-io: ${stdout}${stderr}`)
}

/** What `qemu-img check` finds. Clusters that are lost hurt nobody; anything else it calls corrupt. */
export function qemuImgCheck(image: string): string {
  const { status, stdout, stderr } = spawnSync('qemu-img', ['check', '-f', 'qcow2', image], { encoding: 'utf8' })
  if (status === 0 || status === 3) return stdout
  throw new Error(`qemu-img check ended with ${status}\n${stdout}${stderr}`)
}
