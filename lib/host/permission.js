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
 * Why this user may not open the device, and what to do.
 * @param {string} path
 */
export function whyNoPermission(path) {
  if (process.geteuid?.() === 0) {
    return insideContainer()
      ? `this container may not use the device: start it with --device ${path} (docker, podman)`
      : 'not even root may: a security module, a rule for devices or a user namespace forbids it'
  }
  if (onCi())
    return `a CI runner's user may not open it; let it, in a step before this one: ${byRoot(`chmod 666 ${path}`)}`

  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return `see ls -l ${path}`
  const user = userName() ?? '$USER'
  const group = groupById(stat.gid)
  if (stat.gid === 0 || (stat.mode & GROUP_READS_AND_WRITES) !== GROUP_READS_AND_WRITES) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, '0')
    return `only root may open it (mode ${mode}, group ${group?.name ?? stat.gid}); run as root, or let others, too: ${byRoot(`chmod 666 ${path}`)}`
  }
  if (group === undefined)
    return `its group ${stat.gid} has no name here; run as root, or in that group (docker: --group-add ${stat.gid})`
  // As in /proc/self/status: the groups that this process got when its session began.
  const isMember = group.members.includes(user)
  if (isMember && !process.getgroups?.().includes(stat.gid))
    return `${user} is in its group ${group.name}, but this session is older than that; log in again, or begin with: sg ${group.name} -c 'COMMAND'`
  return `this user may not open it; join its group (${byRoot(`usermod -aG ${group.name} ${user}`)}, then log in again) or run as root`
}
