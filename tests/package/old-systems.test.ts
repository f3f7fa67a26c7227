// The prebuilt addons load on systems as old as those that Node 20's own binaries are made for: glibc 2.28.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { needsTooMuch } from '../../scripts/prebuild/needs.mjs'
import { PREBUILD } from './copy.js'
import { root } from './installed.js'

const addons = readdirSync(join(root, 'prebuilds'), { recursive: true, encoding: 'utf8' }).filter((path) =>
  path.endsWith('.node'),
)

test('there is one for this architecture', () => {
  expect(existsSync(join(root, PREBUILD))).toBe(true)
})

test.each(addons)('%s needs no newer library', (path) => {
  expect(needsTooMuch(join(root, 'prebuilds', path))).toEqual([])
})

test('the one that was compiled for this machine needs the C++ library of the system, and is told apart', () => {
  expect(needsTooMuch(join(root, 'build/Release/node_kvm.node'))).toContain('libstdc++.so.6')
})
