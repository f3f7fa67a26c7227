// What the end of a thread or of a process, and the garbage collector, do to guests that run.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'

import { describe, expect, test } from 'vitest'

import { AMOUNTS, PATIENCE } from './amounts.js'
import { runScript, scriptPath } from './run-script.js'

const options = { timeout: 2 * PATIENCE }

// A guest that never exits, one that sleeps, one that exits without pause, and a vCPU that waits to be started.
describe.each(['spin', 'halt', 'exit', 'sipi'])('while a guest in a worker runs without a deadline: %s', (guest) => {
  test('worker.terminate() ends it, gives everything back, and the main thread goes on', options, () => {
    const { status, signal, stdout, stderr } = runScript('end', ['terminate', guest])
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
    const { code, exit, guests, before, after } = JSON.parse(stdout) as Record<string, Record<string, number>>
    expect({ code, exit, guests }).toEqual({ code: 1, exit: 'hlt', guests: 0 })
    expect(after!['descriptors']).toBeLessThanOrEqual(before!['descriptors']! + 2) // the worker's event loop may linger
  })

  test('process.exit() ends the process, with its status', options, () => {
    expect(runScript('end', ['exit', guest])).toEqual({ status: 7, signal: null, stdout: '', stderr: '' })
  })

  test.each(['throw', 'reject'])('an error that nobody catches (%s) ends the process as ever', options, (how) => {
    const { status, signal, stderr } = runScript('end', [how, guest])
    expect({ status, signal }).toEqual({ status: 1, signal: null })
    expect(stderr).toContain('nobody catches this')
  })

  test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    '%s ends the process, and nothing is left',
    options,
    async (signal) => {
      const child = spawn(process.execPath, [scriptPath('end'), 'wait', guest], { stdio: 'inherit' })
      const ended = once(child, 'exit')
      // Its vCPU's page is mapped when the guest is about to run.
      const maps = `/proc/${child.pid!}/maps`
      while (!readFileSync(maps, 'utf8').includes('kvm-vcpu')) await new Promise((resolve) => setTimeout(resolve, 10))
      child.kill(signal)
      expect(await ended).toEqual([null, signal])
      expect(existsSync(maps)).toBe(false)
    },
  )
})

test.each(['spin', 'halt', 'exit'])('kicks from another thread end run() one by one: %s', options, (guest) => {
  const { status, signal, stdout, stderr } = runScript('kick', [guest, AMOUNTS.repeats / 10])
  expect({ status, signal, stdout, stderr }).toEqual({
    status: 0,
    signal: null,
    stdout: 'kick of a closed vCPU: false\n',
    stderr: '',
  })
})

test('the addon in many workers at once, unloaded, and loaded again', options, () => {
  const { status, stdout, stderr } = runScript('many-workers', [AMOUNTS.workers])
  expect({ status, stderr, lines: stdout.trim().split('\n') }).toEqual({
    status: 0,
    stderr: '',
    lines: ['100 interrupted 0', '100 interrupted 0', 'hlt', 'guests 0'],
  })
})

test('handles dropped in every combination, while others stay', options, () => {
  expect(runScript('collect', [], ['--expose-gc'])).toEqual({
    status: 0,
    signal: null,
    stdout: 'collected\n',
    stderr: '',
  })
})

describe.each(['close', 'drop'])(`${AMOUNTS.vms} VMs with memory and a vCPU: %s`, (how) => {
  test('descriptors, mappings and memory are back where they were', options, () => {
    const { status, stdout, stderr } = runScript('many-vms', [how, AMOUNTS.vms, AMOUNTS.batch], ['--expose-gc'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const { before, most, after } = JSON.parse(stdout) as {
      most: number
      before: Record<string, number>
      after: Record<string, number>
    }
    expect(most).toBeGreaterThanOrEqual(2 * AMOUNTS.batch) // each had its memory and its vCPU's page
    expect(after['descriptors']).toBe(before['descriptors'])
    expect(after['guests']).toBe(before['guests'])
    // Node's own heap moves by some mappings and MiB; a leak of one mapping or 64 KiB a VM would be far more.
    expect(after['mappings']).toBeLessThan(before['mappings']! + AMOUNTS.vms / 4)
    expect(after['resident']).toBeLessThan(before['resident']! + 64)
  })
})

test(
  'where the kernel queues no signals and makes no timers, deadlines, kicks, pause, stop and close work',
  options,
  () => {
    const stdout = ['deadline', 'deadline', 'deadline', 'kick', 'paused', 'kick', 'stopped', 'closed', ''].join('\n')
    const ended = runScript('refused-signals', [], [], '--sigpending=0')
    expect(ended).toEqual({ status: 0, signal: null, stdout, stderr: '' })
  },
)

test('where no descriptor is left, everything that needs one says so, and nothing half-made remains', options, () => {
  const scarce = ['createVcpu', 'addMemory', 'irqfd', 'resample', 'ioeventfd', 'start']
  const { stdout, ...ended } = runScript('no-descriptors', [], [], '--nofile=80')
  expect(ended).toEqual({ status: 0, signal: null, stderr: '' })
  const said = new Map(stdout.split('\n').map((line) => line.split(': ') as [string, string]))
  for (const name of ['open', 'createVm', ...scarce]) expect(said.get(name)).toMatch(/^ERR_KVM_\w+ 24$/)
  expect(stdout).toContain('then 4 descriptors')
})
