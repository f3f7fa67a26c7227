import { type Command, Option } from 'commander'
import { size } from './size-option.js'

const TYPES = ['ext2', 'ext3', 'ext4'] as const

/** `node-kvm disk`: makes a disk for `node-kvm run --disk`. */
export function addDisk(program: Command): void {
  program
    .command('disk')
    .summary('make a disk from a directory or a tar archive')
    .description(
      'Make a raw disk with one file system on it, from a directory or a tar archive. Nobody need be root for that.',
    )
    .argument('<file>', 'the disk')
    .requiredOption('--from <directory or archive>', 'what is on it')
    .option('--size <size>', 'how large it is, for example 512M (default: twice what is on it)', size)
    .addOption(new Option('--type <type>', 'the file system').choices(TYPES).default('ext4'))
    .option('--label <name>', "the file system's name")
    .option('--json', 'print errors as JSON')
    .action(
      async (file: string, options: { from: string; size?: number; type: (typeof TYPES)[number]; label?: string }) => {
        const { makeDisk } = await import('../machine/index.js')
        const { from, type, label } = options
        await makeDisk(file, {
          ...{ from, type },
          ...(options.size === undefined ? {} : { size: options.size }),
          ...(label === undefined ? {} : { label }),
        })
      },
    )
}
