import { writeSnapshot } from '../snapshot/directory.js'
import type { Hardware } from './hardware.js'
import type { Lives } from './lives.js'
import { sourceOf } from './snapshot.js'
import { checkSnapshotOptions, type SnapshotOptions } from './snapshot-options.js'

/** Writes what a machine is now into a directory. It stands still until its memory has been set aside. */
export async function takeSnapshot(
  { lives, hardware }: { lives: Lives; hardware: Hardware },
  directory: string,
  options: SnapshotOptions,
): Promise<void> {
  const { base, progress } = checkSnapshotOptions(directory, options)
  base?.checkOpen()
  const { ram } = hardware
  const { state, memory, wasSaved } = await lives.standingStill(() => {
    lives.checkAlive()
    const state = hardware.save()
    const memory = base === undefined ? ram.setAside() : ram.setAsideWritten(base)
    return { state, memory, wasSaved: ram.toBeSaved() }
  })
  try {
    const chain = base?.chain
    const { id } = await writeSnapshot(directory, {
      machine: state,
      memory: memory.map(sourceOf),
      chain,
      parent: chain?.[0],
      progress,
    })
    wasSaved(id)
  } finally {
    for (const each of memory) each.close()
  }
}
