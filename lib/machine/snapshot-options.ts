import { checkOptions, invalidArgument } from '../validate.js'
import { checkDirectory, Snapshot } from './snapshot.js'

export interface SnapshotOptions {
  /**
   * Only what differs from this snapshot is written, which has to stay where it is. Of it the machine was restored, or it is the last
   * that was taken of it with `backing: 'memfd'`.
   */
  base?: Snapshot
  /** Called as memory is written: how many bytes have been looked at, of how many. */
  progress?: (done: number, total: number) => void
}

export function checkSnapshotOptions(directory: string, options: SnapshotOptions): SnapshotOptions {
  checkDirectory(directory)
  checkOptions('options', options, ['base', 'progress'])
  const { base, progress } = options
  if (base !== undefined && !(base instanceof Snapshot)) {
    throw invalidArgument('base', base, 'what Snapshot.open() returns')
  }
  if (progress !== undefined && typeof progress !== 'function')
    throw invalidArgument('progress', progress, 'a function')
  return options
}
