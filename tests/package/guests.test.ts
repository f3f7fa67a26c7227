// docs/guests.md, done step by step in a project that has the package.
import { spawnSync } from 'node:child_process'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { blocksOf } from '../docs/pages.js'
import { Copy, prebuilt } from './copy.js'
import { root } from './installed.js'

const blocks = (language: string) =>
  blocksOf('docs/guests.md').flatMap((block) => (block.language === language ? [block.code] : []))
const [output = ''] = blocks('text')

const project = new Copy()
afterAll(() => project[Symbol.dispose]())

beforeAll(() => {
  project.setAddon(prebuilt())
  cpSync(join(root, 'examples'), join(project.package, 'examples'), { recursive: true })
  project.write('guest.c', blocks('c').join(''))
  project.write('host.mjs', blocks('mjs').join(''))
  const commands = ['-ec', blocks('console').join('')]
  const { stderr } = spawnSync('sh', commands, { cwd: project.folder, encoding: 'utf8' })
  expect(stderr.replaceAll(/^.*(RWX|note.GNU-stack|NOTE: This behaviour).*\n/gm, '')).toBe('')
})

test('the guest in C prints what the page says', () => {
  expect(project.run(['host.mjs'])).toMatchObject({ status: 0, stdout: output, stderr: '' })
})

test('the kernel boots', () => {
  const { status, stdout } = project.run([join(project.package, 'dist/cli/main.js'), 'run', 'kernel.elf'])
  expect({ status, stdout }).toMatchObject({
    status: 1,
    stdout: expect.stringContaining('booted by Multiboot, to: ') as string,
  })
})
