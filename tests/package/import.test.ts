import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const index = fileURLToPath(new URL('../../dist/index.js', import.meta.url))

/** A built file and all that it loads at once. */
function filesOf(path: string, files = new Set<string>()): Set<string> {
  if (files.has(path)) return files
  files.add(path)
  for (const [, from = ''] of readFileSync(path, 'utf8').matchAll(/^(?:import|export)\b[^;]*? from "(\.[^"]+)";$/gm)) {
    filesOf(join(dirname(path), from), files)
  }
  return files
}

// Node takes milliseconds for each.
test('an import loads two files of the library', () => {
  expect(filesOf(index).size).toBe(2)
})

test.each(['boot', 'devices', 'inspect', 'platform', 'snapshot'])('%s loads where there is no addon', (part) => {
  const program = `await import(${JSON.stringify(join(dirname(index), part, 'index.js'))})`
  const env = { ...process.env, NODE_KVM_ADDON: '/no/such/addon.node' }
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    env,
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
})

test('an import loads none of the modules of Node that only some programs need', () => {
  const program = `
    const before = new Set(process.moduleLoadList)
    await import(${JSON.stringify(index)})
    console.log(JSON.stringify(process.moduleLoadList.filter((name) => !before.has(name))))`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  const loaded = (JSON.parse(stdout) as string[]).map((name) => name.replace(/^NativeModule /, ''))
  for (const name of ['child_process', 'crypto', 'http', 'net', 'readline', 'tty', 'vm', 'worker_threads', 'zlib']) {
    expect(loaded).not.toContain(name)
  }
  expect(loaded.length).toBeLessThan(60)
})
