/**
 * A kernel, a module, an init script or a program under test in a virtual machine: booted once, and each test gets a fork of it. For any
 * test runner: these are functions that return promises, and throw.
 *
 * @packageDocumentation
 */
export { bootOnce } from './boot-once.js'
export type { CommandOptions, CommandResult, GuestUnderTest } from './guest-under-test.js'
export { LINUX_FAILURES } from './failure-patterns.js'
export type { BootOnceOptions } from './options.js'
export { type Remains, remainsOf } from './remains.js'
export type { ForkOptions, WarmGuest } from './warm-guest.js'
