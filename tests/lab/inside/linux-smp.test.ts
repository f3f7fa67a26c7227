// Not part of every build: the emulator breaks down now and then under so many vCPUs, docs/lab.md.
import { test } from 'vitest'
import { expectOwnMachine } from './linux-report.js'

test('8 vCPUs, memory on both sides of the hole, every table as it was built, then power-off', () =>
  expectOwnMachine(8))
