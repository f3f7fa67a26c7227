// @ts-check
// In what this process runs, as far as that decides who can mend a missing /dev/kvm.
import { existsSync } from 'node:fs'
import { release } from 'node:os'
import { readText } from './files.js'

/** Docker, podman, systemd-nspawn and LXC, Kubernetes: each leaves a mark. */
export function insideContainer() {
  return (
    existsSync('/.dockerenv') ||
    existsSync('/run/.containerenv') ||
    existsSync('/run/systemd/container') ||
    process.env['KUBERNETES_SERVICE_HOST'] !== undefined ||
    /\b(docker|containerd|kubepods|lxc)\b/.test(readText('/proc/1/cgroup') ?? '')
  )
}

/** Most CI services set it. */
export function onCi() {
  return !['', undefined, 'false', '0'].includes(process.env['CI'])
}

/** The Windows Subsystem for Linux. */
export function insideWsl() {
  return /microsoft/i.test(release())
}

/** Whether the kernel has KVM running, whatever files there are to reach it. */
export function kernelHasKvm() {
  return /^\s*\d+ kvm$/m.test(readText('/proc/misc') ?? '')
}

/**
 * A line for a person to type, who is not root.
 * @param {string} command
 */
export function byRoot(command) {
  return existsSync('/usr/bin/sudo') ? `sudo ${command}` : `su -c '${command}'`
}
