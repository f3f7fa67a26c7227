// @ts-check
// Builds the guests of the examples into dist/examples/guests/NAME.bin, and the list of examples into dist/examples/manifest.json.
//
// A guest is examples/guests/NAME.c, NAME.S, or both. A guest that does not define `_start` gets the one of shared/start64.S.
// A guest named arm64-* is for arm64, and of assembly; it is built where there is an assembler for that. All others are for x86.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const examples = join(root, 'examples')
const sources = join(examples, 'guests')
const shared = join(sources, 'shared')
const objects = join(root, 'build', 'guests')
const output = join(root, 'dist', 'examples')
const images = join(output, 'guests')

const ARM64 = 'arm64-'
/** What their names start with. */
const ARM64_TOOLS = process.arch === 'arm64' ? '' : 'aarch64-linux-gnu-'

/** ELF images for a loader, which starts them in 32 bits; all others are flat. */
const KERNELS = ['multiboot', 'kernel-tests']

const compilerFlags = [
  ...['-std=gnu11', '-Os', '-Wall', '-Wextra', '-Werror'],
  ...['-ffreestanding', '-fno-tree-loop-distribute-patterns'], // no C library, and no loop turned into a call of memset
  '-fno-pic', // a guest knows the address it is loaded at
  ...['-mgeneral-regs-only', '-mno-red-zone'], // interrupt handlers save no SSE registers, and push onto the running stack
  ...['-fno-stack-protector', '-fcf-protection=none', '-fno-asynchronous-unwind-tables'],
]

/** Runs a tool of the build; its own messages go to the terminal. @param {string} tool @param {string[]} args */
function run(tool, args) {
  try {
    execFileSync(tool, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new Error(`The guests are built with ${tool}, which is not on PATH. Debian: apt-get install gcc binutils`, {
        cause: error,
      })
    throw new Error(`${tool} failed on ${args.at(-1)}`, { cause: error })
  }
}

/** When the newest of these files was changed; a missing one counts as never. @param {string[]} files */
const newest = (files) => Math.max(...files.map((file) => (existsSync(file) ? statSync(file).mtimeMs : 0)))

/** @param {string} folder */
const filesIn = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [join(folder, entry.name)] : []))

/** @param {string} source @param {string} bits */
function compile(source, bits = '-m64') {
  const object = join(objects, `${basename(source)}.o`)
  run('gcc', [...compilerFlags, bits, '-c', '-o', object, source])
  return object
}

/** A library, so that the linker takes from it only what a guest lacks. */
function startLibrary() {
  const library = join(objects, 'start.a')
  rmSync(library, { force: true })
  run('ar', ['rcD', library, compile(join(shared, 'start64.S'))])
  return library
}

/** Not every machine can build for another; the package that is published has them all. */
function canBuild(/** @type {string} */ name) {
  if (!name.startsWith(ARM64)) return process.arch === 'x64'
  return spawnSync(`${ARM64_TOOLS}as`, ['--version']).status === 0
}

/** @type {string | undefined} */
let library

/** An image at a fixed address. @param {string[]} files @param {string} image */
function buildFlat(files, image) {
  const linked = join(objects, `${basename(image, '.bin')}.elf`)
  library ??= startLibrary()
  const objectFiles = [...files.map((file) => compile(file)), library]
  run('ld', ['-static', '--no-warn-rwx-segments', '-T', join(shared, 'guest.ld'), '-o', linked, ...objectFiles])
  run('objcopy', ['-O', 'binary', linked, image])
}

/** An ELF image. @param {string[]} files @param {string} image */
function buildKernel(files, image) {
  const compiled = files.map((file) => compile(file, '-m32'))
  run('ld', ['-m', 'elf_i386', '-static', '-N', '-Ttext=0x100000', '--no-warn-rwx-segments', '-o', image, ...compiled])
}

/** An image for any address: it finds what is its own relative to its code. @param {string[]} files @param {string} image */
function buildArm64([source = ''], image) {
  const [object = '', linked = ''] = ['o', 'elf'].map((kind) => join(objects, `${basename(source)}.${kind}`))
  run(`${ARM64_TOOLS}as`, ['--fatal-warnings', '-I', sources, '-o', object, source])
  run(`${ARM64_TOOLS}ld`, ['-static', '-Ttext=0', '-o', linked, object])
  run(`${ARM64_TOOLS}objcopy`, ['-O', 'binary', linked, image])
}

/** What builds a guest of that name. @param {string} name */
function builderOf(name) {
  if (name.startsWith(ARM64)) return buildArm64
  return KERNELS.includes(name) ? buildKernel : buildFlat
}

function buildGuests() {
  mkdirSync(objects, { recursive: true })
  mkdirSync(images, { recursive: true })
  const common = newest([
    ...filesIn(shared),
    ...filesIn(sources).filter((file) => file.endsWith('.h')),
    fileURLToPath(import.meta.url),
  ])
  const programs = filesIn(sources).filter((file) => ['.c', '.S'].includes(extname(file)))
  /** @param {string} file */
  const nameOf = (file) => basename(file, extname(file))
  for (const name of new Set(programs.map(nameOf))) {
    const files = programs.filter((file) => nameOf(file) === name)
    const image = join(images, `${name}.bin`)
    if (newest([image]) > Math.max(common, newest(files)) || !canBuild(name)) continue
    builderOf(name)(files, image)
    console.log(`built ${image.slice(root.length)}`)
  }
}

/** Every example begins with a line like "// Lesson 1, hello: what it teaches"; one that needs some, with "// Arguments: FILE" next. */
function writeManifest() {
  const lessons = filesIn(examples)
    .filter((file) => file.endsWith('.ts'))
    .map((file) => {
      const [first = '', second = ''] = readFileSync(file, 'utf8').split('\n', 2)
      const lesson = /^\/\/ Lesson (\d+), ([\w-]+): (.+)$/.exec(first)
      if (lesson?.[2] !== basename(file, '.ts'))
        throw new Error(
          `${file.slice(root.length)} must begin with "// Lesson NUMBER, ${basename(file, '.ts')}: TITLE"`,
        )
      const [, needs] = /^\/\/ Arguments: (.+)$/.exec(second) ?? []
      const [, number, name, title] = lesson
      return { number: Number(number), name, title, architecture: name.startsWith(ARM64) ? 'arm64' : 'x64', needs }
    })
    .sort((a, b) => a.number - b.number)
  const manifest = lessons.map(({ number: _, ...lesson }) => lesson)
  writeFileSync(join(output, 'manifest.json'), JSON.stringify(manifest, null, 2) + '\n')
}

try {
  buildGuests()
  mkdirSync(output, { recursive: true })
  writeManifest()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
