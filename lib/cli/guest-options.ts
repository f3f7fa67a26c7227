import { type Command, InvalidArgumentError, Option } from 'commander'
import { CONSOLES, TRANSPORTS } from './run-options.js'
import { collectDisk, collectNet } from './virtio-options.js'

/** Adds what a guest has around it on the command line, however it came to be. */
export function addGuestOptions(command: Command): Command {
  return command
    .option(
      '--disk <file[,readonly][,format=qcow2][,backing=folder][,id=…]>',
      'a disk, from a raw file, a block device or an image, whose backing files may be in that folder; repeatable',
      collectDisk,
    )
    .option(
      '--net <tap[=name]|none[,vhost][,mac=…]>',
      'a network card, on a tap interface of the host, whose frames the kernel moves with vhost; repeatable',
      collectNet,
    )
    .addOption(
      new Option('--console <console>', "what this terminal is to the guest: its first serial line, or Linux's hvc0")
        .choices(CONSOLES)
        .default('serial'),
    )
    .option('--rng', "random numbers of the host's for the guest")
    .addOption(
      new Option(
        '--virtio <transport>',
        'how these devices reach the guest (default: mmio; with --firmware, pci)',
      ).choices(TRANSPORTS),
    )
    .option(
      '--snapshot-to <directory>',
      'take a snapshot into that directory on the signal SIGUSR2, and on Ctrl-A s; the guest goes on',
    )
    .option('--timeout <seconds>', 'end the guest after that time', seconds)
    .option('--success <value>', 'what the guest writes to the exit port for status 0', number)
    .option('--symbols <file>', "the kernel's System.map or vmlinux: names for what is printed when it dies")
    .option('--trace-exits', 'print every exit that is handled here to standard error')
    .option('--trace-file <file>', 'write every exit that is handled here to that file')
    .option('--json', 'print the outcome, what each vCPU did, and errors as one line of JSON to standard error')
}

export function number(text: string): number {
  if (!/^(\d{1,10}|0x[\da-f]{1,8})$/i.test(text)) {
    throw new InvalidArgumentError('It must be a whole number, for example 4096 or 0x1000.')
  }
  return Number(text)
}

function seconds(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 2_000_000)) throw new InvalidArgumentError('It must be a number of seconds above 0.')
  return Math.ceil(value * 1000) / 1000
}
