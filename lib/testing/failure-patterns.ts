import { checkList, invalidArgument } from '../validate.js'

/** The kernel's own words stand at the beginning of a line, or behind its time stamp; a program that shows them is no failure. */
const kernelSays = (words: string) => new RegExp(`(?:^|\\[ *\\d+\\.\\d+\\](?:\\[ *[CT]\\d+\\])? )(?:${words})`)

/** Lines with which Linux says that it has failed: a panic, an oops, a bug that it has found in itself. */
export const LINUX_FAILURES: readonly RegExp[] = [
  kernelSays('Kernel panic - not syncing'),
  kernelSays('(?:watchdog: )?BUG: '),
  kernelSays('kernel BUG at '),
  kernelSays('Unable to handle kernel '),
  kernelSays('general protection fault(?:, |:)'),
  kernelSays('(?:Internal error: )?Oops[ :]'),
]

/** Copies, which have no state. */
export function checkPatterns(name: string, patterns: Iterable<RegExp>): RegExp[] {
  return checkList(name, patterns, 'regular expressions').map((pattern) => {
    if (!(pattern instanceof RegExp)) throw invalidArgument(name, pattern, 'a list of regular expressions')
    return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
  })
}
