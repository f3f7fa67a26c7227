import type { Command } from 'commander'
import { InvalidArgumentError, Option } from 'commander'
import { KEYS_HELP } from './escape-keys.js'
import { FORMATS, type RunOptions } from './run-options.js'

/** `node-kvm run`: boots a kernel or firmware, with its serial console on this terminal. */
export function addRun(program: Command): void {
  program
    .command('run')
    .summary('boot a kernel or firmware')
    .description('Boot a kernel, Linux or another, or firmware, with its first serial line on this terminal.')
    .argument('[kernel]', 'the kernel, if --kernel is not given')
    .option('--kernel <file>', 'the kernel: a bzImage, for example /boot/vmlinuz')
    .option('--initrd <file>', "the initial RAM disk; a Multiboot kernel's first module")
    .option('--append <text>', "the kernel's command line (default for Linux: console=ttyS0)")
    .option('--firmware <file>', 'firmware at the top of 4 GiB, such as SeaBIOS, instead of a kernel')
    .addOption(
      new Option('--format <format>', 'how the kernel is started; flat is a boot sector, in real mode at 0x7c00')
        .choices(FORMATS)
        .default('auto'),
    )
    .option('--cpus <n>', 'virtual CPUs, 1 to 16', wholeNumber, 1)
    .option('--memory <size>', 'RAM, for example 512M or 2G', '256M')
    .option('--timeout <seconds>', 'end the guest after that time', seconds)
    .addOption(new Option('--no-reboot', 'end when the guest resets the machine, instead of booting again'))
    .option('--symbols <file>', "the kernel's System.map or vmlinux: names for what is printed when it dies")
    .option('--trace-exits', 'print every exit that is handled here to standard error')
    .option('--json', 'print the outcome and what each vCPU did as JSON to standard error when it ends')
    .addHelpText(
      'after',
      `
Keys, on a terminal:
${indent(KEYS_HELP)}

Exit status:
  0              the guest switched off, or was ended by Ctrl-A x or a signal, or reset with --no-reboot
  (v << 1) | 1   the guest wrote v to the exit port; all others but 1 are even
  4              the guest's kernel panicked
  6              triple fault
  8              KVM could not go on
  10             the guest has halted for good, with interrupts off
  124            the time limit
  1              any other error
  2              the command line is wrong

Examples:
  node-kvm run --kernel vmlinuz --initrd initrd.img --append 'console=ttyS0' --cpus 2 --memory 512M
  node-kvm run vmlinuz --append 'console=ttyS0 panic=-1' --no-reboot --timeout 60
  node-kvm run --firmware /usr/share/seabios/bios.bin --timeout 10`,
    )
    .action(async (positional: string | undefined, options: RunOptions, command: Command) => {
      const { runGuest } = await import('./run-guest.js')
      await runGuest(positional, options, command)
    })
}

const indent = (text: string) => text.replaceAll(/^/gm, '  ')

function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}

function seconds(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 2_000_000)) throw new InvalidArgumentError('It must be a number of seconds above 0.')
  return Math.ceil(value * 1000) / 1000
}
