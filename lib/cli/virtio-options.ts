import { InvalidArgumentError } from 'commander'
import { hasFlag, parseList, valueOf } from './option-list.js'

/** `--disk FILE[,readonly][,format=raw|qcow2][,backing=FOLDER][,id=ID]` */
export interface DiskOption {
  path: string
  readonly: boolean
  format: 'raw' | 'qcow2'
  backingFolder?: string
  id?: string
}

const FORMATS = ['raw', 'qcow2'] as const

/** One more `--disk`. */
export function collectDisk(text: string, before: readonly DiskOption[] = []): readonly DiskOption[] {
  const list = parseList(text, ['readonly', 'format', 'backing', 'id'])
  const given = valueOf(list, 'format') ?? 'raw'
  const format = FORMATS.find((known) => known === given)
  if (format === undefined) throw new InvalidArgumentError(`The format is one of ${FORMATS.join(', ')}.`)
  const id = valueOf(list, 'id')
  const backingFolder = valueOf(list, 'backing')
  const disk = { path: list.first, readonly: hasFlag(list, 'readonly'), format }
  return [
    ...before,
    { ...disk, ...(backingFolder === undefined ? {} : { backingFolder }), ...(id === undefined ? {} : { id }) },
  ]
}

/** `--net tap[=NAME]|none[,vhost][,mac=MAC]` */
export interface NetOption {
  /** The interface of the host; undefined: nothing is plugged in. */
  tap: string | undefined
  /** The kernel moves its frames. */
  vhost: boolean
  mac?: string
}

/** What a tap interface is called that nobody has named. */
const ANY_TAP = 'tap%d'

/** One more `--net`. */
export function collectNet(text: string, before: readonly NetOption[] = []): readonly NetOption[] {
  const list = parseList(text, ['mac', 'vhost'])
  const tap = /^tap(?:=(.+))?$/s.exec(list.first)
  if (tap === null && list.first !== 'none') throw new InvalidArgumentError('It is tap, tap=NAME or none.')
  const vhost = hasFlag(list, 'vhost')
  if (vhost && tap === null) throw new InvalidArgumentError('vhost is for a tap.')
  const mac = valueOf(list, 'mac')
  if (mac !== undefined && !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac)) {
    throw new InvalidArgumentError('An address is like 52:54:00:12:34:56.')
  }
  return [
    ...before,
    { tap: tap === null ? undefined : (tap[1] ?? ANY_TAP), vhost, ...(mac === undefined ? {} : { mac }) },
  ]
}
