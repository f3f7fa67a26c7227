import type { Command } from 'commander'
import { InvalidArgumentError, Option } from 'commander'
import { KEYS_HELP } from './escape-keys.js'
import { addGuestOptions, number } from './guest-options.js'
import { FORMATS, MODES, type RunOptions } from './run-options.js'

/** `node-kvm run`: boots a kernel or firmware, with its console on this terminal. */
export function addRun(program: Command): void {
  const run = program
    .command('run')
    .summary('boot a kernel or firmware')
    .description('Boot a kernel, Linux or another, or firmware, with its console on this terminal.')
    .argument('[kernel]', 'the kernel, if --kernel is not given')
    .option('--kernel <file>', 'the kernel: a bzImage, for example /boot/vmlinuz')
    .option('--initrd <file>', "the initial RAM disk; a Multiboot kernel's first module")
    .option('--append <text>', "the kernel's command line (default for Linux: console=ttyS0, or console=hvc0)")
    .option('--module <file and text>', 'a Multiboot module, and behind a blank its command line; repeatable', collect)
    .option('--firmware <file>', 'firmware at the top of 4 GiB, such as SeaBIOS, instead of a kernel')
    .addOption(
      new Option('--format <format>', 'how the kernel is started; flat is a binary without a header')
        .choices(FORMATS)
        .default('auto'),
    )
    .option(
      '--address <address>',
      "where a flat binary is loaded and started (default: a boot sector's 0x7c00)",
      number,
    )
    .addOption(new Option('--mode <mode>', 'in which mode a flat binary is started (default: real)').choices(MODES))
    .option('--cpus <n>', 'virtual CPUs, 1 to 16', wholeNumber, 1)
    .option('--memory <size>', 'RAM, for example 512M or 2G', '256M')
    .addOption(new Option('--no-reboot', 'end when the guest resets the machine, instead of booting again'))
  addGuestOptions(run)
    .addHelpText(
      'after',
      `
Keys, on a terminal:
${indent(KEYS_HELP)}

Exit status:
  0              the guest switched off, was ended by Ctrl-A x, reset with --no-reboot, or wrote what --success says
  (v << 1) | 1   the guest wrote v to the exit port 0xf4; all others but 1, 129, 131 and 143 are even
  4              the guest's kernel panicked
  6              triple fault
  8              KVM could not go on
  10             the guest has halted for good, with interrupts off
  124            the time limit
  129, 130, 131  ended by SIGHUP, SIGINT, SIGQUIT; a second signal ends at once
  143            ended by SIGTERM
  1              any other error
  2              the command line is wrong

Examples:
  node-kvm run --kernel vmlinuz --initrd initrd.img --append 'console=ttyS0' --cpus 2 --memory 512M
  node-kvm run vmlinuz --append 'console=ttyS0 panic=-1' --no-reboot --timeout 60
  node-kvm run kernel.elf --module 'initfs.img root=/' --module font.psf --success 0x10
  node-kvm run vmlinuz --initrd initrd.img --disk root.img --append 'console=ttyS0 root=/dev/vda'
  node-kvm run --format flat --address 0x1000 --mode long guest.bin
  node-kvm run --firmware /usr/share/seabios/bios.bin --timeout 10`,
    )
    .action(async (positional: string | undefined, options: RunOptions, command: Command) => {
      const { bootGuest } = await import('./boot-guest.js')
      await bootGuest(positional, options, command)
    })
}

const indent = (text: string) => text.replaceAll(/^/gm, '  ')

function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}

const collect = (text: string, before: string[] = []) => {
  if (text.trim() === '') throw new InvalidArgumentError('It must be a file, or a file, a blank and text.')
  return [...before, text]
}
