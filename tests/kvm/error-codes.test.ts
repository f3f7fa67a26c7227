// Every code of KvmErrorCode is thrown by a test, as far as this host can be brought to it.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { describe, expect, test } from 'vitest'

import { AMOUNTS, PATIENCE } from './amounts.js'
import { runScript } from './run-script.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const errors = readFileSync(`${root}/lib/errors.ts`, 'utf8')
const codes = Array.from(errors.matchAll(/^ {2}\| '(ERR_KVM_\w+)'$/gm), (match) => match[1]!)

/** Text of all files below a folder. */
function textOf(folder: string, pattern: RegExp): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .map((name) => readFileSync(`${folder}/${name}`, 'utf8'))
    .join('\n')
}

// What no test can bring about, and why.
const UNREACHABLE: Record<string, string> = {
  ERR_KVM_API_VERSION: 'every kernel since 2.6.22 speaks version 12',
  ERR_KVM_UNSUPPORTED: 'x86-64 has every ioctl and constant that the library names',
}

test('every code is thrown in lib/, and expected by a test or listed with the reason why not', () => {
  const [lib, tests] = [textOf(`${root}/lib`, /\.ts$/), textOf(`${root}/tests`, /\.(test\.ts|mjs)$/)]
  expect(codes.length).toBeGreaterThan(15)
  for (const code of codes) {
    expect(lib.replace(errors, ''), code).toContain(`'${code}'`)
    const expected = tests.split(`'${code}'`).length - 1
    expect([code, expected > 0 || code in UNREACHABLE]).toEqual([code, true])
  }
  expect(Object.keys(UNREACHABLE).filter((code) => !codes.includes(code))).toEqual([])
})

describe('what only a process of its own can meet', () => {
  const options = { timeout: PATIENCE }
  const CASES = {
    'no addon': 'ERR_KVM_ADDON',
    'no permission': 'ERR_KVM_NO_PERMISSION',
    'no descriptor for the device': 'ERR_KVM_OPEN',
    'no descriptor for a VM': 'ERR_KVM_IOCTL',
    'no descriptor for a vCPU': 'ERR_KVM_IOCTL',
    'no descriptor for memory': 'ERR_KVM_OUT_OF_MEMORY',
    'no memory for a thread': 'ERR_KVM_OUT_OF_MEMORY',
  }

  test.each(Object.entries(CASES))('%s: %s', options, (name, code) => {
    const { status, stdout, stderr } = runScript('scarce', [name])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const answer = JSON.parse(stdout) as { code: string; message: string; leaked: number; works: boolean }
    expect(answer).toMatchObject({ code, leaked: 0, works: true })
    expect(answer.message).toMatch(/ulimit -n|usermod|chmod 666|NODE_KVM_ADDON|thread cannot start/)
  })

  test('descriptors run out again and again: nothing is left half-made', options, () => {
    const { status, stdout, stderr } = runScript('scarce', ['until it fails', AMOUNTS.batch])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(JSON.parse(stdout)).toMatchObject({ leaked: 0, works: true })
  })
})
