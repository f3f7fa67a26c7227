import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { KvmError } from '../../errors.js'
import { Channel } from '../../snapshot/migration/channel.js'
import { decodeUint32, encodeUint32, malformed } from '../../snapshot/migration/frames.js'
import type { Hardware } from '../hardware.js'
import type { Lives } from '../lives.js'
import { PAGE } from '../machine-memory.js'
import { ask } from './doubt.js'
import { MemorySender } from './memory-sender.js'
import type { CheckedMigrateOptions, MigrationReport } from './options.js'
import type { PageSet } from './page-set.js'
import { WrittenPages } from './written-pages.js'

/** What is moved. */
export interface Moving {
  readonly lives: Lives
  readonly hardware: Hardware
}

/** One machine on its way to another place. */
export class Departure {
  /** By it the target knows what is asked for when a stream has broken. */
  readonly #id = randomUUID()
  readonly #moving: Moving
  readonly #options: CheckedMigrateOptions
  readonly #channel: Channel
  #round = 0
  // Of the last round that sent anything, in bytes per millisecond.
  #speed = Infinity

  constructor(moving: Moving, stream: Duplex, options: CheckedMigrateOptions) {
    this.#moving = moving
    this.#options = options
    this.#channel = new Channel(stream, options)
  }

  /** The machine is closed. */
  abort(error: unknown): void {
    this.#channel.abort(error)
  }

  /** Resolves when the machine is the target's, and has ended here. Otherwise it goes on here, or is in doubt and stands still. */
  async run(): Promise<MigrationReport> {
    let written: WrittenPages | undefined
    try {
      await this.#announce()
      written = await this.#moving.lives.standingStill(() => {
        const { vm, ram } = this.#moving.hardware
        return new WrittenPages(
          vm,
          ram.parts.map(({ region }) => region),
        )
      })
      const report = await this.#move(written)
      await this.#channel.end()
      return report
    } catch (cause) {
      // What it then stumbled over says less.
      const error = written?.moved === true && !this.#moving.hardware.vm.closed ? putInAnew(cause) : cause
      await this.#channel.refuse(error)
      throw error
    } finally {
      written?.end()
    }
  }

  /** Says what is to come, and hears whether there is room for it. */
  async #announce(): Promise<void> {
    this.#moving.lives.checkAlive()
    const announcement = { id: this.#id, architecture: process.arch, memory: this.#moving.hardware.ram.regions }
    await this.#channel.greet()
    await this.#channel.send('announce', Buffer.from(JSON.stringify(announcement)))
    await this.#channel.checkGreeting()
    await this.#channel.expect('ready')
  }

  /** Sends memory while the guest runs, until the rest is so little that it may stand still for that. */
  async #move(written: WrittenPages): Promise<MigrationReport> {
    const { hardware, lives } = this.#moving
    const sender = new MemorySender(hardware.vm, hardware.ram.parts, this.#channel)
    await this.#measure(sender, () => sender.sendAll())
    let pages = written.take()
    for (;;) {
      this.#tellProgress(sender, pages)
      // What has just been left out by one round is sent by the next.
      const report = this.#isFew(pages, written) ? await this.#moveRest(written, pages, sender) : undefined
      if (report !== undefined) return report
      lives.checkAlive()
      if (this.#round >= this.#options.rounds) throw this.#tooSlow(pages)
      await this.#measure(sender, () => sender.send(pages))
      checkThere(written)
      pages = written.take()
    }
  }

  /** The guest stands still: if there is no more than was thought, the machine goes. Else it goes on, and this returns nothing. */
  async #moveRest(written: WrittenPages, pages: PageSet, sender: MemorySender): Promise<MigrationReport | undefined> {
    const { lives } = this.#moving
    return lives.standingStill(async () => {
      const began = performance.now()
      checkThere(written)
      pages.addAll(written.take())
      if (!this.#isFew(pages, written)) return undefined
      written.addLast(pages)
      await this.#measure(sender, () => sender.send(pages))
      await this.#handOver()
      const downtime = performance.now() - began
      await lives.leave()
      return { rounds: this.#round, sent: sender.sent, downtime }
    })
  }

  /** All but the memory. When it rejects, the machine has again what it had let go of, unless only the target knows who has it. */
  async #handOver(): Promise<void> {
    const { hardware, lives } = this.#moving
    const state = Buffer.from(JSON.stringify(hardware.save()))
    let isInDoubt = false
    try {
      await hardware.letGo()
      await this.#channel.send('state', state)
      await this.#channel.expect('restored')
      lives.checkAlive()
      // From here on only the target can say whether it has the machine.
      this.#channel.say('go')
      isInDoubt = true
      const hasStarted = await this.#hasStarted()
      isInDoubt = false
      if (!hasStarted) throw malformed('the stream ended before the target was told to go on')
    } catch (error) {
      if (!isInDoubt) await hardware.takeBack()
      throw error
    }
  }

  async #hasStarted(): Promise<boolean> {
    try {
      await this.#channel.expect('started')
      return true
    } catch (cause) {
      try {
        return await ask(this.#id, this.#options, cause)
      } catch (error) {
        // It stands still from now on, unless somebody who knows lets it go on.
        await this.#moving.lives.pause()
        throw error
      }
    }
  }

  /** By the speed that was measured. What devices have said to write is sent once more, however little of it they have. */
  #isFew({ count }: PageSet, { ofDevices }: WrittenPages): boolean {
    return ((count + ofDevices) * PAGE) / this.#speed <= this.#options.downtime
  }

  /** One round, until the other side has all of it. */
  async #measure(sender: MemorySender, send: () => Promise<void>): Promise<void> {
    const [began, before] = [performance.now(), sender.sent]
    const round = ++this.#round
    await send()
    await this.#channel.send('round', encodeUint32(round))
    const counted = decodeUint32(await this.#channel.expect('counted'))
    if (counted !== round) throw malformed(`the other side counts round ${counted} instead of ${round}`)
    const sent = sender.sent - before
    if (sent > 0) this.#speed = sent / Math.max(performance.now() - began, 0.001)
  }

  #tellProgress({ sent }: MemorySender, { count }: PageSet): void {
    this.#options.progress?.({ round: this.#round, sent, left: count * PAGE })
  }

  #tooSlow({ count }: PageSet): KvmError {
    const { rounds, downtime } = this.#options
    const left = count * PAGE
    const speed = Math.round(this.#speed * 1000)
    return new KvmError(
      'ERR_KVM_MIGRATION_SLOW',
      `the machine was not moved, and goes on here: after ${rounds} rounds ${left} bytes are left, and at ${speed} bytes ` +
        `a second they take more than ${downtime} ms; allow more downtime, or let the guest write less`,
      { operands: { rounds, left, speed, downtime } },
    )
  }
}

function checkThere({ moved }: WrittenPages): void {
  if (moved) throw putInAnew()
}

function putInAnew(cause?: unknown): KvmError {
  return malformed('its memory was put in anew meanwhile, as a reset does, and it goes on here; begin again', cause)
}
