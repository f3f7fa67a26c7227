// @ts-check
// Builds the guests of the examples into dist/examples/guests/NAME.bin, and the list of examples into dist/examples/manifest.json.
//
// A guest is examples/guests/NAME.c, NAME.S, or both. A guest that does not define `_start` gets the one of shared/start64.S.
import { execFileSync } from 'node:child_process'
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

/** ELF images for a loader, which starts them in 32 bits; all others are flat. */
const KERNELS = ['multiboot']

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
  /** @type {string | undefined} */
  let library
  for (const name of new Set(programs.map(nameOf))) {
    const files = programs.filter((file) => nameOf(file) === name)
    const isKernel = KERNELS.includes(name)
    const image = join(images, `${name}.bin`)
    if (newest([image]) > Math.max(common, newest(files))) continue
    if (isKernel) {
      const compiled = files.map((file) => compile(file, '-m32'))
      run('ld', [
        '-m',
        'elf_i386',
        '-static',
        '-N',
        '-Ttext=0x100000',
        '--no-warn-rwx-segments',
        '-o',
        image,
        ...compiled,
      ])
      console.log(`built ${image.slice(root.length)}`)
      continue
    }
    const linked = join(objects, `${name}.elf`)
    library ??= startLibrary()
    run('ld', [
      '-static',
      '--no-warn-rwx-segments',
      '-T',
      join(shared, 'guest.ld'),
      '-o',
      linked,
      ...files.map((file) => compile(file)),
      library,
    ])
    run('objcopy', ['-O', 'binary', linked, image])
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
      return { number: Number(lesson[1]), name: lesson[2], title: lesson[3], needs }
    })
    .sort((a, b) => a.number - b.number)
  const manifest = lessons.map(({ name, title, needs }) => ({ name, title, ...(needs === undefined ? {} : { needs }) }))
  writeFileSync(join(output, 'manifest.json'), JSON.stringify(manifest, null, 2) + '\n')
}

try {
  if (process.arch === 'x64') buildGuests()
  else console.log(`The bundled guests are x86 programs; none is built on ${process.arch}.`)
  mkdirSync(output, { recursive: true })
  writeManifest()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
