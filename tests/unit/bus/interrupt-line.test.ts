import { describe, expect, test } from 'vitest'

import { InterruptOutput, SharedInterruptLine, UNCONNECTED } from '../../../lib/bus/index.js'

const recorder = () => {
  const levels: boolean[] = []
  return { levels, set: (level: boolean) => void levels.push(level) }
}

describe("a device's output", () => {
  test('passes on changes only', () => {
    const line = recorder()
    const output = new InterruptOutput(line)
    for (const level of [false, true, true, false, false, true]) output.set(level)
    expect(line.levels).toEqual([true, false, true])
    expect(output.level).toBe(true)
  })

  test('says its level again when it is driven', () => {
    const line = recorder()
    const output = new InterruptOutput(line)
    output.drive(false)
    output.drive(false)
    expect(line.levels).toEqual([false, false])
  })
})

test('a shared line is high while any of its sources is', () => {
  const line = recorder()
  const shared = new SharedInterruptLine(line)
  const [a, b] = [shared.source(), shared.source()]
  a.set(true)
  b.set(true)
  a.set(true)
  a.set(false)
  expect(shared.level).toBe(true)
  b.set(false)
  b.set(false)
  expect(line.levels).toEqual([true, false])
})

test('an unconnected line takes any level', () => {
  UNCONNECTED.set(true)
  UNCONNECTED.set(false)
})
