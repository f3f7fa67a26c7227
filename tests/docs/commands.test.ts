// Every command in README.md and docs/ exists, and those of node-kvm itself do what they should.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { blocksOf, pages, readPage, root } from './pages.js'

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }

const commands = pages.flatMap((page) =>
  blocksOf(page)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ where, code }) =>
      code
        .replaceAll(/\s+#.*$/gm, '')
        .split(/\n|&&/)
        .map((line) => ({ where, command: line.trim() })),
    )
    .filter(({ command }) => command !== ''),
)

// npm's own, which a test of this checkout cannot run on itself; tests/package packs and installs the package.
const NPM = /^npm (ci|pack|install \S+\.tgz)$/

test.each(commands)('$where: $command', { timeout: 60_000 }, ({ command }) => {
  if (NPM.test(command)) return
  const script = /^npm (?:run(?: -s)? )?([\w:]+)/.exec(command)?.[1]
  if (script !== undefined) {
    expect(Object.keys(scripts)).toContain(script)
    return
  }
  const words = command.split(/\s+/)
  expect(words.slice(0, 2)).toEqual(['npx', 'node-kvm'])
  const main = join(root, 'dist', 'cli', 'main.js')
  const { status, stderr } = spawnSync(process.execPath, [main, ...words.slice(2)], { encoding: 'utf8' })
  expect({ status, error: /^(node-kvm|error): .*/m.exec(stderr)?.[0] }).toEqual({ status: 0, error: undefined })
})

test('every npm script that a sentence names exists', () => {
  const named = pages.flatMap((page) =>
    [...readPage(page).matchAll(/`npm (?:run )?([\w:]+)/g)].map((match) => match[1]),
  )
  expect(named.length).toBeGreaterThan(0)
  expect(
    named.filter((name) => !['ci', 'pack', 'publish', 'install', 'rebuild'].includes(name!) && !(name! in scripts)),
  ).toEqual([])
})
