import type { SnapshotFiles } from './directory.js'
import { CHUNK, damaged, PAGE } from './format.js'
import { sumOf } from './memory-writer.js'
import { runsInTurn } from './pages.js'

/** Reads all of a memory file. Throws `ERR_KVM_SNAPSHOT` for the first chunk whose checksum is another one. */
export async function verifySnapshot({ content, memory, directory }: SnapshotFiles): Promise<void> {
  const { parts, sums, pages } = content
  const buffer = new Uint8Array(CHUNK)
  const next = runsInTurn(pages ?? [])
  for (const { at, offset, size } of parts) {
    for (let done = 0; done < size; done += CHUNK) {
      const length = Math.min(CHUNK, size - done)
      const bytes = buffer.subarray(0, length)
      const { bytesRead } = await memory.read(bytes, 0, length, offset + done)
      if (bytesRead !== length) throw damaged(directory, 'its memory file has been cut off')
      const wanted = pages && next((offset + done) / PAGE, length / PAGE)
      if ((await sumOf(bytes, wanted)) === sums[(offset + done) / CHUNK]) continue
      throw damaged(directory, `its memory from guest address 0x${(at + done).toString(16)} on is not what was written`)
    }
  }
}
