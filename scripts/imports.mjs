// @ts-check
// `npm run imports`: the picture of who imports whom in lib/, as a Mermaid graph. An arrow that others already imply is left out.
//   npm run imports -- --write   puts it into docs/architecture.md
//   npm run imports -- --check   fails where that page has another one
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const PAGE = 'docs/architecture.md'
const BLOCK = /(?<=```mermaid\n)[^]*?(?=```)/

/** The room of a file: its folder in lib/, or what stands for all leaves that lie there without one. @param {string} file */
function roomOf(file) {
  if (file === 'lib/index.ts') return 'index'
  return /^lib\/([^/]+)\//.exec(file)?.[1] ?? (file.startsWith('lib/') ? 'errors, validate, format' : undefined)
}

/** What each room imports. @returns {Map<string, Set<string>>} */
function readImports() {
  const command = ['--config', 'scripts/import-direction.mjs', '--output-type', 'json', 'lib']
  const output = execFileSync('node_modules/.bin/depcruise', command, { encoding: 'utf8', maxBuffer: 2 ** 28 })
  const found = /** @type {unknown} */ (JSON.parse(output))
  const { modules } = /** @type {{ modules: { source: string, dependencies: { resolved: string }[] }[] }} */ (found)
  /** @type {Map<string, Set<string>>} */
  const rooms = new Map()
  for (const { source, dependencies } of modules) {
    const from = roomOf(source)
    if (from === undefined) continue
    const targets = rooms.get(from) ?? new Set()
    rooms.set(from, targets)
    for (const { resolved } of dependencies) {
      const to = roomOf(resolved)
      if (to !== undefined && to !== from) targets.add(to)
    }
  }
  return rooms
}

/**
 * Whether one room leads to another, at once or by way of others.
 * @param {Map<string, Set<string>>} rooms @param {string} from @param {string} to
 * @returns {boolean}
 */
function leadsTo(rooms, from, to) {
  return from === to || [...(rooms.get(from) ?? [])].some((next) => leadsTo(rooms, next, to))
}

function draw() {
  const rooms = readImports()
  const names = [...rooms.keys()].sort()
  const id = (/** @type {string} */ room) => room.replace(/\W+/g, '_')
  const arrows = names.flatMap((from) =>
    [...(rooms.get(from) ?? [])]
      .sort()
      .filter((to) => ![...(rooms.get(from) ?? [])].some((other) => other !== to && leadsTo(rooms, other, to)))
      .map((to) => `  ${id(from)} --> ${id(to)}\n`),
  )
  return `graph TD\n${names.map((room) => `  ${id(room)}["${room}"]\n`).join('')}${arrows.join('')}`
}

const picture = draw()
const page = readFileSync(PAGE, 'utf8')
const [argument] = process.argv.slice(2)
if (argument === '--write')
  writeFileSync(
    PAGE,
    page.replace(BLOCK, () => picture),
  )
else if (argument !== '--check') process.stdout.write(picture)
else if (BLOCK.exec(page)?.[0] !== picture) {
  console.error(`${PAGE} has another picture of the imports: npm run imports -- --write`)
  process.exitCode = 1
}
