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
 * Gives a class the calls of these tables. Those that only other architectures have throw `ERR_KVM_UNSUPPORTED`. `access` takes from
 * an object what the calls need.
 */
export function defineCalls<T extends object>(
  prototype: T,
  access: (object: T) => unknown,
  here: readonly object[],
  elsewhere: object,
): void {
  for (const table of here) {
    for (const name of Object.keys(table)) {
      const call = Reflect.get(table, name) as (access: unknown, ...args: unknown[]) => unknown
      const method = function (this: T, ...args: unknown[]): unknown {
        return call(access(this), ...args)
      }
      define(prototype, name, method, call.length - 1)
    }
  }
  for (const name of Object.keys(elsewhere)) {
    if (Object.hasOwn(prototype, name)) continue
    const method = () => {
      throw new KvmError('ERR_KVM_UNSUPPORTED', `${name}() does not exist on ${process.arch}`, {
        operands: { call: name },
      })
    }
    define(prototype, name, method, 0)
  }
}

/** As a class's own method is, with its name and how many arguments it wants. */
function define(prototype: object, name: string, method: (...args: unknown[]) => unknown, length: number): void {
  Object.defineProperties(method, {
    name: { value: name, configurable: true },
    length: { value: length, configurable: true },
  })
  Object.defineProperty(prototype, name, { value: method, writable: true, configurable: true })
}
