import { InvalidArgumentError } from 'commander'
import { hasFlag, parseList, valueOf } from './option-list.js'

/** `--disk FILE[,readonly][,format=raw][,id=ID]` */
export interface DiskOption {
  path: string
  readonly: boolean
  id?: string
}

const FORMATS = ['raw']

/** One more `--disk`. */
export function collectDisk(text: string, before: readonly DiskOption[] = []): readonly DiskOption[] {
  const list = parseList(text, ['readonly', 'format', 'id'])
  const format = valueOf(list, 'format') ?? 'raw'
  if (!FORMATS.includes(format)) throw new InvalidArgumentError(`The format is one of ${FORMATS.join(', ')}.`)
  const id = valueOf(list, 'id')
  return [...before, { path: list.first, readonly: hasFlag(list, 'readonly'), ...(id === undefined ? {} : { id }) }]
}
