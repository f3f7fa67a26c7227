// @ts-check
// What can be said of this host without the addon. Plain JavaScript, like all in this folder, because `npm run doctor` runs it
// from a checkout in which nothing is built or installed yet, on any Node.
import { arch, release } from 'node:os'
import { checkDevice } from './device.js'
import { describeProcessor, kvmKind, limitationsOf } from './processor.js'

/** @typedef {import('./types.js').HostCheck} HostCheck */

/** As package.json's `engines` has it. */
const OLDEST_NODE = [20, 19]

/**
 * The facts, but for the device: who has the addon asks that.
 * @returns {import('./types.js').HostFacts}
 */
export function hostFacts() {
  const kind = kvmKind()
  return {
    kernel: release(),
    architecture: arch(),
    node: process.version,
    kind,
    checks: [
      ...checkSystem(),
      checkNode(),
      ...checkPermissionModel(),
      ...checkLibrary(),
      { name: 'processor', ok: kind !== 'unknown', required: false, detail: describeProcessor(kind) },
    ],
    cannot: limitationsOf(kind),
  }
}

/**
 * All that can be said where the addon is not to be had.
 * @param {string} path  of the device
 * @param {HostCheck} addon  why it is not
 * @returns {import('./types.js').HostFacts}
 */
export function factsWithoutAddon(path, addon) {
  const facts = hostFacts()
  return { ...facts, checks: [...facts.checks, checkDevice(path), addon] }
}

/** Whether none of the required is amiss. @param {readonly HostCheck[]} checks */
export const isUsable = (checks) => checks.every(({ ok, required }) => ok || !required)

/** Said only where it is wrong, like the next ones. @returns {HostCheck[]} */
function checkSystem() {
  const check = { name: 'system', ok: false, required: true }
  if (process.platform !== 'linux')
    return [{ ...check, detail: process.platform, fix: 'KVM is part of Linux; use a Linux machine' }]
  if (process.arch !== 'x64' && process.arch !== 'arm64')
    return [{ ...check, detail: process.arch, fix: 'node-kvm knows x64 and arm64; use a Node for one of these' }]
  return []
}

/** @returns {HostCheck} */
function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE
  const ok = major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
  const check = { name: 'Node', ok, required: true, detail: process.version }
  return ok ? check : { ...check, fix: `install Node ${OLDEST_NODE.join('.')} or later` }
}

/** With --permission, node loads no addon unless it is told to. @returns {HostCheck[]} */
function checkPermissionModel() {
  const { permission } = /** @type {{ permission?: object }} */ (process)
  if (permission === undefined) return []
  const options = [...process.execArgv, ...(process.env['NODE_OPTIONS'] ?? '').split(' ')]
  const ok = options.includes('--allow-addons')
  const check = { name: 'permission model', ok, required: true, detail: ok ? 'lets addons in' : 'keeps addons out' }
  return [ok ? check : { ...check, fix: 'add --allow-addons to the options of node' }]
}

/** The prebuilt addon is for glibc. @returns {HostCheck[]} */
function checkLibrary() {
  if (process.platform !== 'linux') return []
  const { header } = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (report())
  const glibc = header.glibcVersionRuntime
  const check = { name: 'C library', ok: true, required: false }
  return [{ ...check, detail: glibc === undefined ? 'musl: the addon is compiled here' : `glibc ${glibc}` }]
}

/** Without the network's part, for which node would look up names. */
function report() {
  const { report } = process
  if ('excludeNetwork' in report) report.excludeNetwork = true
  return report.getReport()
}
