import type { Duplex } from 'node:stream'
import { KvmError } from '../../errors.js'
import { checkMigrateOptions, type MigrateOptions, type MigrationReport } from './options.js'
import { Departure, type Moving } from './source.js'

/** What a machine does to go on elsewhere: one thing at a time. */
export class Moves {
  readonly #moving: Moving
  #departure: Departure | undefined
  // It may go on elsewhere: it stands still until somebody says that it does not.
  #isInDoubt = false

  constructor(moving: Moving) {
    this.#moving = moving
  }

  async migrate(stream: Duplex, options: MigrateOptions): Promise<MigrationReport> {
    const checked = checkMigrateOptions(stream, options)
    this.#moving.lives.checkAlive()
    this.checkStays()
    const departure = new Departure(this.#moving, stream, checked)
    this.#departure = departure
    try {
      return await departure.run()
    } catch (error) {
      this.#isInDoubt = error instanceof KvmError && error.code === 'ERR_KVM_MIGRATION_IN_DOUBT'
      throw error
    } finally {
      this.#departure = undefined
    }
  }

  /** The machine is not on its way, and has not gone for all that is known. */
  checkStays(): void {
    if (this.#isInDoubt) {
      throw new KvmError('ERR_KVM_MIGRATION_IN_DOUBT', 'the machine may go on elsewhere: resume() or close() it first')
    }
    if (this.#departure === undefined) return
    throw new KvmError(
      'ERR_KVM_RUNNING',
      'the machine is being moved elsewhere; wait for that, or give it up by its signal',
    )
  }

  /** Somebody who knows says that it goes on here. */
  resume(): void {
    const { hardware, lives } = this.#moving
    if (!this.#isInDoubt) {
      lives.resume()
      return
    }
    this.#isInDoubt = false
    // What goes wrong then, its run rejects with.
    void hardware.takeBack().then(() => {
      lives.resume()
    })
  }

  /** The machine is closed. */
  abort(error: unknown): void {
    this.#departure?.abort(error)
  }
}
