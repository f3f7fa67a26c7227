import { KvmError } from '../errors.js'

/**
 * The calls that a class has on one architecture, each as a function of what it needs of the object (`access`) and of its
 * arguments. The interface documents them; a table of these makes them.
 */
export type Calls<Interface, Access> = {
  readonly [Name in keyof Interface]: Interface[Name] extends (...args: infer Args) => infer Result
    ? (access: Access, ...args: Args) => Result
    : never
}

/**
 * Gives a class the calls of this architecture. Those that only others have throw `ERR_KVM_UNSUPPORTED`. `access` takes from an
 * object what the calls need.
 */
export function defineCalls<T extends object>(
  prototype: T,
  access: (object: T) => unknown,
  here: object,
  elsewhere: object,
): void {
  for (const [name, call] of Object.entries(here) as [string, (access: unknown, ...args: unknown[]) => unknown][]) {
    const method = function (this: T, ...args: unknown[]): unknown {
      return call(access(this), ...args)
    }
    Object.defineProperty(prototype, name, { value: method, writable: true, configurable: true })
  }
  for (const name of Object.keys(elsewhere)) {
    if (Object.hasOwn(here, name)) continue
    const method = (): never => {
      throw new KvmError('ERR_KVM_UNSUPPORTED', `${name}() does not exist on ${process.arch}`, {
        operands: { call: name },
      })
    }
    Object.defineProperty(prototype, name, { value: method, writable: true, configurable: true })
  }
}
