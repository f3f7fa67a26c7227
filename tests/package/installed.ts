import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

// All that is on the user's PATH: no compiler, no make, no python.
const commands = [
  'node',
  'npm',
  'npx',
  'sh',
  'env',
  'uname',
  'dirname',
  'basename',
  'readlink',
  'sed',
  'ls',
  'cat',
  'rm',
]

export interface Result {
  status: number | null
  stdout: string
  stderr: string
}

const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: object }

/**
 * An empty folder of a user who has Node and npm, with the packed package installed in it. What it depends on is packed, too, as it lies
 * in the checkout, so that no registry is asked.
 */
export class Installed {
  readonly folder = mkdtempSync(join(tmpdir(), 'node-kvm-package-'))
  readonly packed: string[]

  /** @param options npm's, for the installation */
  constructor(...options: string[]) {
    const bin = join(this.folder, 'bin')
    mkdirSync(bin)
    for (const command of commands) symlinkSync(which(command), join(bin, command))

    const folders = ['.', ...Object.keys(dependencies).map((name) => `./node_modules/${name}`)]
    const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', this.folder, ...folders]
    const { stdout } = check(spawnSync('npm', pack, { cwd: root, encoding: 'utf8' }))
    const tarballs = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[]
    this.packed = tarballs[0]?.files.map(({ path }) => path) ?? []

    writeFileSync(join(this.folder, 'package.json'), '{}')
    cpSync(join(root, 'tests/package/user'), this.folder, { recursive: true })
    const files = tarballs.map(({ filename }) => `./${filename}`)
    check(this.run('npm', 'install', '--offline', '--no-audit', '--no-fund', ...options, ...files))
  }

  run(command: string, ...args: string[]): Result {
    const { HOME, NODE_EXTRA_CA_CERTS, ...rest } = process.env
    const npm = Object.entries(rest).filter(([name]) =>
      /^npm_config_(registry|cache|userconfig|globalconfig|cafile)$/.test(name),
    )
    const env = { HOME, NODE_EXTRA_CA_CERTS, ...Object.fromEntries(npm), PATH: join(this.folder, 'bin') }
    return spawnSync(command, args, { cwd: this.folder, encoding: 'utf8', env })
  }

  path(file: string): string {
    return join(this.folder, 'node_modules/node-kvm', file)
  }
}

function which(command: string): string {
  const found = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, command))
    .find((path) => existsSync(path))
  if (found === undefined) throw new Error(`${command} is not on PATH`)
  return found
}

function check(result: Result): Result {
  if (result.status !== 0) throw new Error(`status ${result.status}\n${result.stdout}\n${result.stderr}`)
  return result
}
