import type { Cell } from './cells.js'

/** An access of a guest, done at once or by and by. */
export type Access =
  ((offset: number, data: Uint8Array) => void) | ((offset: number, data: Uint8Array) => Promise<void>)

/** Something to be done, at once or by and by. */
export type Task = (() => void) | (() => Promise<void>)

/**
 * What sits on a bus. A device knows offsets from its first register and never its own address. `data.length` is the width
 * of the access: 1, 2, 4 or 8, and 3, 5, 6 or 7 for the part of an access that straddled two devices.
 *
 * A device must not throw because of what its guest does.
 *
 * All members but the first two are optional, and each has one meaning. What a device holds beyond memory of its own, such
 * as a timer, it lets go of in `close()`.
 */
export interface Device {
  /**
   * The guest reads: fill all of `data`, little-endian. Where that takes time, return a promise: the vCPU waits for it, and
   * nobody else does. `data` is valid until then.
   */
  read: Access
  /** The guest writes `data`, little-endian. A promise is waited for as that of `read()`. */
  write: Access
  /**
   * Registers that need not always wait for JavaScript: where the device is mapped in a machine, vCPU threads answer for it what
   * these say. A write that one posts arrives as `write()`, whose promise nobody waits for. Without a machine they do nothing.
   */
  readonly cells?: readonly Cell[]
  /** The machine was reset: the device is as it was when it was new. What the outside gave it (a disk, a stream) it keeps. Once
   * this has returned, or its promise has resolved, it touches guest memory no more until the guest asks for it. */
  reset?: Task
  /** State as a plain object with named members, which JSON can carry: numbers, booleans, strings, arrays and objects of these. */
  save?(): object
  /**
   * Takes over a state that `save()` of the same class returned. It is checked like input from a guest: a state that is not
   * possible throws `ERR_KVM_INVALID_STATE`, and the device stays as it was.
   */
  restore?(state: object): void
  /**
   * The machine goes on from a state from which others may go on, too: it is a fork, was restored from a snapshot, or has been put
   * back. Called after `restore()`, while it stands still. What has to be different in each of them changes here.
   */
  forked?(): void
  /**
   * For a device that does things by itself: once this has returned, or its promise has resolved, it touches neither guest
   * memory nor an interrupt line until `resume()`.
   */
  pause?: Task
  resume?(): void
  /**
   * The machine is about to go on elsewhere, and stands still: what only one machine can have, such as a disk, another one may take
   * once this has returned, or its promise has resolved.
   */
  letGo?: Task
  /** It goes on here after all: the device has that again. */
  takeBack?: Task
  /** The machine is over. It waits for the promise, for example until output has been taken. */
  close?: Task
}

/** A device that saves and restores its state. */
export interface Stateful<State extends object> {
  save(): State
  restore(state: State): void
}

/** Whether an object saves and restores its state. */
export function isStateful(value: object): value is Stateful<object> {
  const { save, restore } = value as Partial<Stateful<object>>
  return typeof save === 'function' && typeof restore === 'function'
}
