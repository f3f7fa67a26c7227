// Lesson 24, time-travel: a guest loses, and the host goes back to before its mistake and takes another way
import { fileURLToPath } from 'node:url'
import { flat, GuestConsole, Machine, serial, type Template } from 'node-kvm/machine'

const TIMEOUT = 60_000

// The guest knows the river, the wolf, the goat and the cabbage, and what eats what (guests/time-travel.c). The host knows only the letters, and that
// "eaten" is bad. The guest cannot take a crossing back. The host can: it has kept the moment before.
const story = new GuestConsole()
using first = await Machine.create({
  memory: '16M',
  backing: 'memfd', // so that a template copies nothing
  boot: flat({
    image: fileURLToPath(new URL('guests/time-travel.bin', import.meta.url)),
    address: 0x1000,
    mode: 'real',
  }),
  devices: [serial({ console: story })],
})
void first.run()
await story.expect('ready\n', { timeout: TIMEOUT })
using beginning = await first.freeze()

const seen = new Set<string>()
let crossings = 0

/** Takes one step from a moment on, in a fork. Returns what the guest says, and the moment after it. */
async function cross(moment: Template, letter: string): Promise<{ said: string; after: Template }> {
  crossings++
  const console = new GuestConsole()
  using fork = await moment.fork({ devices: [serial({ console })] })
  console.send(letter)
  void fork.run()
  const { before } = await console.expect('\n', { timeout: TIMEOUT })
  return { said: before, after: await fork.freeze() }
}

/** Tries all that can be done at a moment, one after the other: each try begins at the very same moment. */
async function solve(moment: Template, way: readonly string[]): Promise<readonly string[] | undefined> {
  for (const letter of 'fwgc') {
    const { said, after } = await cross(moment, letter)
    using _ = after // the moment is forgotten when all that follows from it has been tried
    if (said.endsWith('all are across')) return [...way, said]
    if (said.includes('eaten') || seen.has(said)) continue
    seen.add(said)
    const found = await solve(after, [...way, said])
    if (found !== undefined) return found
  }
  return undefined
}

const way = await solve(beginning, [])
console.log(way?.join('\n') ?? 'there is no way')
console.log(`host: ${crossings} crossings were tried, in as many forks; ${way?.length ?? 0} of them count`)
