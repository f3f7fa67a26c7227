import type { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { KvmError } from '../../errors.js'
import { Channel, unexpected } from '../../snapshot/migration/channel.js'
import {
  decodeJson,
  decodeNumber,
  decodeUint32,
  encodeUint32,
  malformed,
  MOST_MEMORY,
} from '../../snapshot/migration/frames.js'
import { type MachineState, readMachineState } from '../machine-state.js'
import type { MachineOrigin } from '../origin.js'
import type { RestoreOptions } from '../restore-options.js'
import { arrivals } from './doubt.js'
import type { CheckedReceiveOptions } from './options.js'
import { type Announcement, readAnnouncement, ReceivedMemory } from './received-memory.js'

/** What is made of what has come. */
export interface Arrived {
  close(): void
}

/**
 * The target's side: takes a machine's memory, has `restore` make the machine, and returns it once the source has let go of it. Before
 * that moment it leaves nothing behind when it rejects; after it, it does not reject.
 */
export async function receiveMachine<Machine extends Arrived>(
  stream: Duplex,
  options: CheckedReceiveOptions,
  restore: (origin: MachineOrigin, options: RestoreOptions) => Promise<Machine>,
): Promise<Machine> {
  const channel = new Channel(stream, options)
  let id: string | undefined
  try {
    await channel.greet()
    await channel.checkGreeting()
    const announcement = await readFirst(channel, options)
    id = announcement.id
    const cancel = () => {
      channel.abort(malformed('the source asks, by another stream, and so has given this one up'))
    }
    if (!arrivals.begin(id, cancel)) {
      id = undefined
      throw malformed('there has been a migration with this id')
    }
    const machine = await receive(channel, announcement, options, restore)
    await channel.end()
    return machine
  } catch (error) {
    if (id !== undefined) arrivals.settle(id, 'refused')
    await channel.refuse(error)
    throw error
  }
}

async function readFirst(channel: Channel, { maxMemory }: CheckedReceiveOptions): Promise<Announcement> {
  const { name, body } = await channel.receive()
  if (name === 'announce') return readAnnouncement(decodeJson(body), maxMemory)
  if (name !== 'ask') throw unexpected(name, 'announce')
  const answer = arrivals.answer(body.toString('latin1'))
  await channel.send('answer', Buffer.from(answer))
  throw new KvmError('ERR_KVM_MIGRATION', `this stream only asked how an earlier one has ended: ${answer}`, {
    operands: { answer },
  })
}

async function receive<Machine extends Arrived>(
  channel: Channel,
  { id, memory: regions }: Announcement,
  options: CheckedReceiveOptions,
  restore: (origin: MachineOrigin, options: RestoreOptions) => Promise<Machine>,
): Promise<Machine> {
  const memory = new ReceivedMemory(regions)
  let machine: Machine | undefined
  try {
    await channel.send('ready')
    const state = readMachineState(await receiveMemory(channel, memory))
    if (JSON.stringify(state.memory) !== JSON.stringify(regions)) {
      throw malformed('its memory lies elsewhere than was announced')
    }
    machine = await restore(originOf(state, memory), { ...options.restore, devices: await options.devices() })
    await channel.send('restored')
    await channel.expect('go')
    if (arrivals.settle(id, 'started') !== 'started') throw malformed('the source has given it up')
  } catch (error) {
    machine?.close()
    throw error
  } finally {
    memory.close()
  }
  // The machine is here, whether the source hears of it or not.
  await channel.send('started').catch(() => undefined)
  return machine
}

/** Returns the state, which comes after the memory. */
async function receiveMemory(channel: Channel, memory: ReceivedMemory): Promise<unknown> {
  let sinceTurn = 0
  for (;;) {
    // Zeros take few bytes, and many of them come at once: others on the event loop have their turn, too.
    if (sinceTurn >= MOST_MEMORY) {
      sinceTurn = 0
      await setImmediate()
    }
    const { name, body } = await channel.receive()
    switch (name) {
      case 'pages':
        memory.write(decodeNumber(body, 0), body.subarray(8))
        sinceTurn += body.length
        break
      case 'zeros': {
        const length = decodeNumber(body, 8)
        if (length > MOST_MEMORY) throw malformed(`a message has ${length} bytes of zeros, more than ${MOST_MEMORY}`)
        memory.clear(decodeNumber(body, 0), length)
        sinceTurn += length
        break
      }
      case 'round':
        await channel.send('counted', encodeUint32(decodeUint32(body)))
        break
      case 'state':
        return decodeJson(body)
      default:
        throw unexpected(name, 'pages')
    }
  }
}

function originOf(state: MachineState, memory: ReceivedMemory): MachineOrigin {
  return {
    state,
    continues: true,
    open: (region) => memory.take(region),
    checkOpen: () => {
      throw new KvmError('ERR_KVM_SNAPSHOT', 'a machine that has been moved here is nothing to go back to', {
        operands: { component: 'origin' },
      })
    },
  }
}
