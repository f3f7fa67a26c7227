// @ts-check
import { statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { readText } from './files.js'
import { byRoot, insideContainer, onCi } from './surroundings.js'

const GROUP_READS_AND_WRITES = 0o060

/**
 * A line of /etc/group: NAME:PASSWORD:GID:MEMBER,MEMBER
 * @param {number} gid
 */
function groupById(gid) {
  const lines = (readText('/etc/group') ?? '').split('\n').map((line) => line.split(':'))
  const [name, , , members = ''] = lines.find(([, , id]) => id === String(gid)) ?? []
  return name === undefined ? undefined : { name, members: members.split(',') }
}

/** undefined where /etc/passwd does not have this user, as in some containers. */
function userName() {
  try {
    return userInfo().username
  } catch {
    return undefined
  }
}

/**
 * What decides whether this process may open the device.
 * @typedef {object} Permission
 * @property {string} path
 * @property {boolean} root
 * @property {boolean} container
 * @property {boolean} ci
 * @property {string} user
 * @property {readonly number[]} groups  of this process, from when its session began: `Groups` of /proc/self/status
 * @property {{ mode: number, gid: number } | undefined} file
 * @property {{ name: string, members: readonly string[] } | undefined} group  the file's, as /etc/group has it now
 */

/**
 * Why this user may not open the device, and what to do.
 * @param {string} path
 */
export function whyNoPermission(path) {
  const file = statSync(path, { throwIfNoEntry: false })
  return explainPermission({
    path,
    root: process.geteuid?.() === 0,
    container: insideContainer(),
    ci: onCi(),
    user: userName() ?? '$USER',
    groups: process.getgroups?.() ?? [],
    file,
    group: file && groupById(file.gid),
  })
}

/** @param {Permission} permission */
export function explainPermission({ path, root, container, ci, user, groups, file, group }) {
  if (root) {
    return container
      ? `this container may not use the device: start it with --device ${path} (docker, podman)`
      : 'not even root may: a security module, a rule for devices or a user namespace forbids it'
  }
  const letAll = byRoot(`chmod 666 ${path}`)
  if (ci) return `a CI runner's user may not open it; let it, in a step before this one: ${letAll}`
  if (file === undefined) return `see ls -l ${path}`
  if (file.gid === 0 || (file.mode & GROUP_READS_AND_WRITES) !== GROUP_READS_AND_WRITES) {
    const mode = (file.mode & 0o777).toString(8).padStart(4, '0')
    return `only root may open it (mode ${mode}, group ${group?.name ?? file.gid}); run as root, or let others, too: ${letAll}`
  }
  if (group === undefined)
    return `its group ${file.gid} has no name here; run as root, or in that group (docker: --group-add ${file.gid})`
  if (group.members.includes(user) && !groups.includes(file.gid))
    return `${user} is in its group ${group.name}, but this session is older than that; log in again, or begin with: sg ${group.name} -c 'COMMAND'`
  const join = byRoot(`usermod -aG ${group.name} ${user}`)
  return `this user may not open it; join its group (${join}, then log in again) or run as root`
}
