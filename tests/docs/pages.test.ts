// What the pages list is what there is, in both directions; and their links lead somewhere.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { pages, readPage, root } from './pages.js'

/** Every match of the pattern's group, once, sorted. */
const all = (text: string, pattern: RegExp) =>
  [...new Set([...text.matchAll(pattern)].map((match) => match[1]!))].sort()

const source = (path: string) => readFileSync(join(root, path), 'utf8')

/** The text of the first cell of each row of a page's tables. */
const firstCells = (page: string) => all(readPage(page), /^\| (`.*?) \|/gm).join('\n')

test('docs/errors.md lists exactly the codes of KvmErrorCode', () => {
  const codes = all(source('lib/errors.ts'), /^ {2}\| '(ERR_KVM_\w+)'$/gm)
  expect(codes).toContain('ERR_KVM_IOCTL')
  expect(all(firstCells('docs/errors.md'), /`(ERR_KVM_\w+)`/g)).toEqual(codes)
})

test('the docstring of KvmErrorCode lists exactly its codes', () => {
  const text = source('lib/errors.ts')
  expect(all(text, /^ \* \| `(ERR_KVM_\w+)` \|/gm)).toEqual(all(text, /^ {2}\| '(ERR_KVM_\w+)'$/gm))
})

test('docs/exits.md lists exactly the reasons of Exit', () => {
  const reasons = all(source('lib/kvm/exits.ts'), /reason: '([a-z0-9-]+)'/g)
  expect(reasons).toContain('io')
  expect(all(firstCells('docs/exits.md'), /`([a-z0-9-]+)`/g)).toEqual(reasons)
})

test('no page names an error code that does not exist', () => {
  const codes = all(source('lib/errors.ts'), /^ {2}\| '(ERR_KVM_\w+)'$/gm)
  for (const page of pages) expect(codes, page).toEqual(expect.arrayContaining(all(readPage(page), /(ERR_KVM_\w+)/g)))
})

test.each(pages)('the links of %s lead to files', (page) => {
  const links = all(readPage(page), /\]\(([^)#]+)(?:#[^)]*)?\)/g).filter((link) => !/^https?:/.test(link))
  expect(links.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([])
})
