/**
 * What the `node-kvm` command does; main.ts starts it. It uses only what the package exports, and so proves that this is enough. Each subcommand loads what
 * it needs when it runs.
 *
 * Exit status: 0 all is well; 1 it did not work; 2 the command line was wrong.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addDisk } from './disk.js'
import { addDoctor } from './doctor.js'
import { addExample } from './example.js'
import { codeOf } from './error-code.js'
import { formatError } from './format-error.js'
import { addRestore } from './restore.js'
import { addRun } from './run.js'
import { addSnapshot } from './snapshot.js'
import { writeError } from './write-error.js'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

const asJson = process.argv.includes('--json')

const program = new Command('node-kvm')
  .description("Look at this host's KVM, and run the bundled guests on it.")
  .version(manifest.version, '-v, --version', 'print the version')
  .helpOption('-h, --help', 'print help')
  .helpCommand('help [command]', 'print help, or that of a command')
  .showHelpAfterError(asJson ? false : "(add --help to see what's there)")
  .configureOutput({
    writeOut: (text) => {
      watchOutput()
      process.stdout.write(text)
    },
    outputError: (text, write) => {
      if (!asJson) write(text)
    },
  })
  .hook('preAction', (_program, command) => {
    // A guest's run has ways out of its own. All others print little, and by Node's streams.
    if (!['run', 'restore'].includes(command.name())) watchOutput()
  })
  .exitOverride()
  .addHelpText(
    'after',
    `
Examples:
  node-kvm doctor                  is KVM usable here, and if not, what to do
  node-kvm example                 list the bundled guests
  node-kvm example hello --trace   run one and see every exit
  node-kvm run --kernel vmlinuz --initrd initrd.img --append 'console=ttyS0'`,
  )

addDoctor(program)
addExample(program)
addRun(program)
addRestore(program)
addSnapshot(program)
addDisk(program)

async function run(): Promise<void> {
  try {
    await program.parseAsync()
  } catch (error) {
    if (!(error instanceof CommanderError)) fail(error)
    // Commander has printed it. Help and version end here too, with status 0.
    else if (error.exitCode !== 0) {
      process.exitCode = 2
      if (asJson) console.error(formatError(usageError(error), true))
    }
  }
}

/** For programs: the same code for all that can be wrong with a command line. */
function usageError({ message }: CommanderError): Error {
  return Object.assign(new Error(message.replace(/^error: /, '')), { code: 'ERR_USAGE' })
}

/** A full disk is an error, also of those who print and look no further. That nobody reads on, as after `head`, is not told. */
function watchOutput(): void {
  process.stdout.on('error', (error) => {
    process.exitCode = 1
    if (codeOf(error) !== 'EPIPE') fail(writeError('standard output', error))
  })
}

function fail(error: unknown): void {
  console.error(formatError(error, asJson))
  process.exitCode = 1
}

void run()
