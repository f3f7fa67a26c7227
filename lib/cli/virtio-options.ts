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
