// @ts-check

import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'

const POLL_MS = 50
const CHUNK = 64 * 1024

/**
 * A growing file as a stream, which ends with its writer.
 * @param {string} path  of a file that exists
 * @param {Promise<void>} writerEnded
 */
export function tail(path, writerEnded) {
  let isLast = false
  void writerEnded.then(() => (isLast = true))
  async function* follow() {
    const file = await open(path)
    try {
      for (;;) {
        const wasLast = isLast // before the read: what is written after it is seen the next time
        const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK), 0, CHUNK, null)
        if (bytesRead > 0) yield buffer.subarray(0, bytesRead)
        else if (wasLast) return
        else await Promise.race([delay(POLL_MS), writerEnded])
      }
    } finally {
      await file.close()
    }
  }
  return Readable.from(follow(), { objectMode: false })
}
