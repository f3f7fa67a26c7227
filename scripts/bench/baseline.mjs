// @ts-check
// The C programs that the benchmarks compare with, and their guests: built from tests/bench/ into build/bench/.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodedir } from '../node-headers.mjs'

const require = createRequire(import.meta.url)
const sources = fileURLToPath(new URL('../../tests/bench/', import.meta.url))
const shared = fileURLToPath(new URL('../../examples/guests/shared/', import.meta.url))
const output = fileURLToPath(new URL('../../build/bench/', import.meta.url))

/** Builds tests/bench/NAME.c and returns the program's path. @param {string} name */
export function buildProgram(name) {
  mkdirSync(output, { recursive: true })
  const program = join(output, name)
  const flags = '-std=gnu11 -D_GNU_SOURCE -O2 -pthread -Wall -Wextra -Werror'
  gcc(...flags.split(' '), '-o', program, join(sources, `${name}.c`))
  return program
}

/** Builds tests/bench/NAME.cc, an addon, and returns its path. @param {string} name */
export function buildAddon(name) {
  mkdirSync(output, { recursive: true })
  const addon = join(output, `${name}.node`)
  const headers = [
    `-I${nodedir ?? process.execPath}/include/node`,
    `-I${dirname(require.resolve('node-addon-api/package.json'))}`,
  ]
  const flags = ['-std=c++20', '-fexceptions', '-DNAPI_VERSION=9', '-DNODE_ADDON_API_CPP_EXCEPTIONS', ...headers]
  gcc('-x', 'c++', ...flags, '-O2', '-fPIC', '-shared', '-o', addon, join(sources, `${name}.cc`), '-lstdc++')
  return addon
}

/** Builds tests/bench/NAME.S and returns the path of its flat image. @param {string} name @param {number} address */
export function buildGuest(name, address) {
  mkdirSync(output, { recursive: true })
  const image = join(output, `${name}.bin`)
  const link = ['-nostdlib', '-static', '-Wl,--oformat=binary', '-Wl,--build-id=none', `-Wl,-Ttext=${address}`]
  gcc('-m32', ...link, '-Wl,-m,elf_i386', '-o', image, join(sources, `${name}.S`))
  return image
}

/**
 * Builds tests/bench/NAME.c into a flat image with the beginning that the examples' guests have, and returns its path.
 * @param {string} name @param {Record<string, number>} constants
 */
export function buildGuestInC(name, constants) {
  mkdirSync(output, { recursive: true })
  const defined = Object.entries(constants)
  const image = join(output, `${[name, ...defined.map(([, value]) => value)].join('-')}.bin`)
  const flags = '-std=gnu11 -Os -Wall -Wextra -Werror -ffreestanding -fno-pic -mgeneral-regs-only -mno-red-zone'
  const plain = '-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables'
  const link = '-nostdlib -static -Wl,--oformat=binary -Wl,--build-id=none -Wl,--no-warn-rwx-segments'
  const files = ['-T', join(shared, 'guest.ld'), '-o', image, join(shared, 'start64.S'), join(sources, `${name}.c`)]
  gcc(...[flags, plain, link].join(' ').split(' '), ...defined.map(([key, value]) => `-D${key}=${value}`), ...files)
  return image
}

/** Runs a C program and returns the numbers that it printed. @param {string} program @param {(string | number)[]} args */
export function runProgram(program, ...args) {
  const printed = execFileSync(program, args.map(String), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  return printed.trim().split('\n').map(Number)
}

/** @param {string[]} args */
function gcc(...args) {
  execFileSync('gcc', args, { stdio: ['ignore', 'inherit', 'inherit'] })
}
