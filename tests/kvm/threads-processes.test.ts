// What the end of a thread or of a process, and garbage collection, do to vCPUs with threads.
import { describe, expect, test } from 'vitest'

import { AMOUNTS, PATIENCE } from './amounts.js'
import { runScript } from './run-script.js'

const options = { timeout: 2 * PATIENCE }
const states = ['guest', 'halted', 'handling', 'asynchronous', 'paused', 'full', 'listening', 'many']

describe.each(states)('while a vCPU is in the state %s', (state) => {
  test('process.exit() ends the process, with its status', options, () => {
    expect(runScript('threads', ['exit', state])).toEqual({ status: 7, signal: null, stdout: '', stderr: '' })
  })

  test('an error that nobody catches ends the process as ever', options, () => {
    const { status, signal, stderr } = runScript('threads', ['throw', state])
    expect({ status, signal }).toEqual({ status: 1, signal: null })
    expect(stderr).toContain('nobody catches this')
  })

  test('worker.terminate() ends it, gives everything back, and the main thread goes on', options, () => {
    const { status, signal, stdout, stderr } = runScript('threads', ['terminate', state])
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({ code: 1, guests: 0 })
  })
})

test.each([
  ['unref', ''],
  ['unref, then start', ''],
  ['ref', 'still here\n'],
  ['unref, ref', 'still here\n'],
  ['unref one', 'still here\n'],
  ['ioeventfd', ''],
  ['stall', 'served\n'],
  ['dropped', 'still here\n'],
])('what keeps a process alive: %s', options, (name, stdout) => {
  expect(runScript('alive', [name], ['--expose-gc'])).toEqual({ status: 0, signal: null, stdout, stderr: '' })
})

test('threads in many workers at once', options, () => {
  const { status, signal, stdout, stderr } = runScript('many-threads', [AMOUNTS.workers], ['--expose-gc'])
  expect({ status, signal, stdout, stderr }).toEqual({ status: 0, signal: null, stdout: 'guests 0\n', stderr: '' })
})

test.each(['one', 'two'])('on one CPU everything still works: %s vCPUs', options, (count) => {
  const { status, signal, stdout, stderr } = runScript('one-cpu', [count])
  expect({ status, signal, stdout, stderr }).toEqual({ status: 0, signal: null, stdout: 'all served\n', stderr: '' })
})
