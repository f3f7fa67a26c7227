/**
 * What the `node-kvm` command does; main.ts starts it. It uses only what the package exports, and so proves that this is enough. Each subcommand loads what
 * it needs when it runs.
 *
 * Exit status: 0 all is well; 1 it did not work; 2 the command line was wrong.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addDoctor } from './doctor.js'
import { addExample } from './example.js'
import { addRun } from './run.js'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

const program = new Command('node-kvm')
  .description("Look at this host's KVM, and run the bundled guests on it.")
  .version(manifest.version, '--version', 'print the version')
  .helpOption('--help', 'print help')
  .helpCommand(false)
  .showHelpAfterError("(add --help to see what's there)")
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

async function run(): Promise<void> {
  try {
    await program.parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed it. Help and version end here too, with status 0.
      process.exitCode = error.exitCode === 0 ? 0 : 2
    } else {
      console.error(`node-kvm: ${error instanceof Error ? error.message : String(error)}`)
      process.exitCode = 1
    }
  }
}

void run()
