// @ts-check
// The programs that this checkout's commands need beside npm's packages. What is missing is installed where that may be done without
// a question (Debian's apt-get, as root or through sudo without a password); elsewhere the lines are printed that do it on this very machine.
//   node scripts/system-packages.mjs build|check ...
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Debian's packages, separated by spaces, by a program on PATH or a file that shows that they are there. @typedef {Record<string, string>} Programs */

/** To build for arm64 on another machine: the addon, and the guests of examples. @type {Programs} */
const arm64 = process.arch === 'arm64' ? {} : { 'aarch64-linux-gnu-g++': 'g++-aarch64-linux-gnu' }

/** @type {Record<string, Programs>} */
export const groups = {
  arm64,
  /** To compile the addon and the guests. */
  build: {
    'g++': 'g++',
    make: 'make',
    python3: 'python3',
    ld: 'binutils',
    '/usr/include/linux/kvm.h': 'linux-libc-dev',
  },
  /** For `npm run check`, the sanitizer builds, the arm64 cross build, the models, the ACPI tables. */
  check: {
    'clang-format': 'clang-format',
    'clang-tidy': 'clang-tidy',
    cmake: 'cmake',
    ...arm64,
    spin: 'spin',
    iasl: 'acpica-tools',
  },
}

/** What other systems call a package of Debian's, where they call it otherwise. @type {Record<string, Record<string, string>>} */
const NAMES = {
  'g++': { dnf: 'gcc-c++', zypper: 'gcc-c++', pacman: 'gcc' },
  python3: { pacman: 'python' },
  'linux-libc-dev': {
    dnf: 'kernel-headers',
    zypper: 'linux-glibc-devel',
    pacman: 'linux-api-headers',
    apk: 'linux-headers',
  },
}

/** How a person installs packages, by the program that does it. @type {Record<string, (names: string) => string>} */
const MANAGERS = {
  'apt-get': (names) => `apt-get update && apt-get install -y --no-install-recommends ${names}`,
  dnf: (names) => `dnf install ${names}`,
  zypper: (names) => `zypper install ${names}`,
  pacman: (names) => `pacman -Syu --needed ${names}`,
  apk: (names) => `apk add ${names}`,
}

/** On a terminal apt-get shows its progress; a log needs what it does, and no progress. */
const APT = [...(process.stderr.isTTY ? [] : ['-qq']), '-o', 'DPkg::Lock::Timeout=300', '-o', 'Dpkg::Use-Pty=0']

/** Administrators' programs are not on every user's PATH. @param {string} program */
export function isOnPath(program) {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** The packages of Debian's that are not there. @param {Programs} programs */
export function missingPackages(programs) {
  const isThere = (/** @type {string} */ name) => (name.startsWith('/') ? existsSync(name) : isOnPath(name))
  const missing = Object.entries(programs).flatMap(([name, packages]) => (isThere(name) ? [] : packages.split(' ')))
  return [...new Set(missing)]
}

/** What to begin a command with that needs root; undefined when this user cannot become root without a password. */
export function asRoot() {
  if (process.getuid?.() === 0) return []
  return spawnSync('sudo', ['-n', 'true']).status === 0 ? ['sudo', '-n'] : undefined
}

/** A line that does this as root, for a person to type. @param {string} command */
export function lineAsRoot(command) {
  if (process.getuid?.() === 0) return command
  return isOnPath('sudo') ? command.replaceAll(/(^|&& )/g, '$1sudo ') : `su -c '${command}'`
}

/** The line that installs these packages of Debian's, or what takes their places, on this machine. @param {readonly string[]} packages */
export function installLine(packages) {
  const [manager, command] = Object.entries(MANAGERS).find(([program]) => isOnPath(program)) ?? []
  if (manager === undefined || command === undefined)
    return `(what this system calls the Debian packages ${packages.join(' ')})`
  return lineAsRoot(command(packages.map((name) => NAMES[name]?.[manager] ?? name).join(' ')))
}

/**
 * Installs them, and shows how; or says how to. False when they are not there then.
 * @param {readonly string[]} packages
 */
export function ensurePackages(packages) {
  if (packages.length === 0) return true
  const root = isOnPath('apt-get') ? asRoot() : undefined
  if (root === undefined) {
    console.error(
      `Missing: ${packages.join(', ')}. Install them, and run the command again:\n\n  ${installLine(packages)}\n`,
    )
    return false
  }
  console.error(
    `── Missing: ${packages.join(', ')}. Installing them with ${[...root.slice(0, 1), 'apt-get'].join(' ')}`,
  )
  const install = ['install', '-y', '--no-install-recommends', ...packages]
  const done = [['update'], install].every((args) => apt([...root, 'env', 'DEBIAN_FRONTEND=noninteractive'], args))
  if (!done) console.error(`\napt-get failed, see above. By hand, that is:\n\n  ${installLine(packages)}\n`)
  return done
}

/** On standard error, so that what a command prints stays its own. @param {string[]} prefix @param {string[]} args */
function apt(prefix, args) {
  const [program = '', ...rest] = [...prefix, 'apt-get', ...APT, ...args]
  return spawnSync(program, rest, { stdio: ['ignore', 2, 2] }).status === 0
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const named = process.argv.slice(2)
  const unknown = named.filter((name) => !(name in groups))
  if (named.length === 0 || unknown.length > 0) {
    console.error(`usage: node scripts/system-packages.mjs ${Object.keys(groups).join('|')} ...`)
    process.exitCode = 2
  } else if (!ensurePackages(named.flatMap((name) => missingPackages(groups[name] ?? {})))) process.exitCode = 1
}
