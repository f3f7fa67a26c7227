/**
 * What sits on a bus. A device knows offsets from its first register and never its own address. `data.length` is the width
 * of the access: 1, 2, 4 or 8, and 3, 5, 6 or 7 for the part of an access that straddled two devices. `data` is valid
 * during the call only.
 *
 * A device must not throw because of what its guest does.
 */
export interface Device {
  /** The guest reads: fill all of `data`, little-endian. */
  read(offset: number, data: Uint8Array): void
  /** The guest writes `data`, little-endian. */
  write(offset: number, data: Uint8Array): void
}

/**
 * State as a plain object with named members, which JSON can carry: numbers, booleans, strings, arrays and objects of these.
 * Whoever stores it adds the version.
 */
export interface Stateful<State> {
  save(): State
  /**
   * Takes over a state that `save()` of the same class returned. It is checked like input from a guest: a state that is not
   * possible throws `ERR_KVM_INVALID_STATE`, and the device stays as it was.
   */
  restore(state: State): void
}

/** Whether an object saves and restores its state. */
export function isStateful(value: object): value is Stateful<unknown> {
  const { save, restore } = value as Partial<Stateful<unknown>>
  return typeof save === 'function' && typeof restore === 'function'
}
