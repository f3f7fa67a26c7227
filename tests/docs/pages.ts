// The pages of the documentation and the code blocks in them.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '..', '..')

export const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => join('docs', name))].filter(
  (path) => path.endsWith('.md'),
)

export interface Block {
  /** Where it begins, `docs/guide.md:12`. */
  where: string
  language: string
  code: string
}

export const readPage = (page: string) => readFileSync(join(root, page), 'utf8')

/** The fenced blocks of a page, in order. */
export function blocksOf(page: string): Block[] {
  const text = readPage(page)
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map((match) => ({
    where: `${page}:${text.slice(0, match.index).split('\n').length}`,
    language: match[1] ?? '',
    code: match[2] ?? '',
  }))
}

export interface Program {
  where: string
  language: 'ts' | 'js'
  code: string
  /** What it prints, as the `text` blocks right after its parts say; undefined when the page shows nothing. */
  output: string | undefined
}

/** A block that begins with an import is a new program; one that does not continues the program before it. */
export function programsOf(page: string): Program[] {
  const programs: Program[] = []
  let before = ''
  for (const { where, language, code } of blocksOf(page)) {
    const current = programs.at(-1)
    if (language === 'ts' || language === 'js') {
      if (code.startsWith('import ')) programs.push({ where, language, code, output: undefined })
      else if (current?.language === language) current.code += `\n${code}`
      else throw new Error(`${where}: this block continues no program`)
    } else if (language === 'text' && current !== undefined && before === current.language) {
      current.output = (current.output ?? '') + code
    }
    before = language
  }
  return programs
}
