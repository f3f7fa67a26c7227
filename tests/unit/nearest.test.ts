import { expect, test } from 'vitest'

import { nearest } from '../../lib/nearest.js'

test('names that were probably meant: a letter too many, too few, another one, or two in the wrong order', () => {
  for (const typed of ['hhello', 'helo', 'hallo', 'ehllo', 'hello'])
    expect(nearest(typed, ['smp', 'hello'])).toEqual(['hello'])
  expect(nearest('HELLO', ['hello'])).toEqual(['hello'])
  expect(nearest('avx51', ['avx', 'avx512', 'sse'])).toEqual(['avx512'])
})

test('the likeliest first, and none that is far away', () => {
  expect(nearest('timers', ['timer', 'tiers', 'smp', 'time'])).toEqual(['timer', 'tiers'])
  expect(nearest('', ['smp'])).toEqual([])
  expect(nearest('x'.repeat(1_000_000), ['x'])).toEqual([])
})
