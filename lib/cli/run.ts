import type { Command } from 'commander'
import { InvalidArgumentError, Option } from 'commander'
import { formatPostMortem, type PostMortem, readSymbols } from '../inspect/index.js'
import { describeOutcome, Machine, type Outcome, serial } from '../machine/index.js'
import { KEYS_HELP } from './escape-keys.js'
import { FORMATS, readSource, type Source, type SourceOptions } from './run-source.js'
import { openTerminal } from './terminal.js'
import { traceExits } from './trace-exits.js'

interface Options extends SourceOptions {
  cpus: number
  memory: string
  timeout?: number
  reboot: boolean
  symbols?: string
  traceExits?: true
  json?: true
}

/** How the command ends, by outcome. All are even: a guest's own code, through the exit port, is odd. */
export const RUN_STATUS = {
  'power-off': 0,
  reset: 0,
  stopped: 0,
  panic: 4,
  'triple-fault': 6,
  'kvm-error': 8,
  timeout: 124,
} as const

/** After these it is said what the guest was doing. */
const UNEXPECTED: readonly Outcome['kind'][] = ['panic', 'triple-fault', 'kvm-error', 'timeout']

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
  124            the time limit
  1              any other error
  2              the command line is wrong

Examples:
  node-kvm run --kernel vmlinuz --initrd initrd.img --append 'console=ttyS0' --cpus 2 --memory 512M
  node-kvm run vmlinuz --append 'console=ttyS0 panic=-1' --no-reboot --timeout 60
  node-kvm run --firmware /usr/share/seabios/bios.bin --timeout 10`,
    )
    .action(async (positional: string | undefined, options: Options, command: Command) => {
      const source = await readSource(positional, options, (bytes) => process.stdout.write(bytes), command)
      process.exitCode = await run(source, options)
    })
}

async function run({ boot, devices }: Source, options: Options): Promise<number> {
  const { cpus, memory, timeout } = options
  const symbols = options.symbols === undefined ? undefined : await readSymbols(options.symbols)
  const terminal = openTerminal()
  const machine = await Machine.create({
    cpus,
    memory,
    boot,
    devices: [...devices, serial({ output: process.stdout, input: terminal.input })],
    onReset: options.reboot ? 'boot' : 'end',
  })
  if (options.traceExits) traceExits()
  terminal.attach({
    stop: () => void machine.stop(),
    powerButton: () => {
      terminal.say(machine.powerButton() ? 'power button pressed' : 'the guest does not listen to the power button')
    },
  })
  // Who reads it may go, as `head` does; a disk may be full.
  let outputError: Error | undefined
  process.stdout.on('error', (error: Error) => {
    outputError = error
    void machine.stop()
  })
  try {
    const outcome = await machine.run(timeout === undefined ? {} : { timeout: timeout * 1000 })
    if (outputError !== undefined) throw outputError
    const unexpected = UNEXPECTED.includes(outcome.kind)
    const postMortem = unexpected ? await machine.postMortem(symbols === undefined ? {} : { symbols }) : undefined
    const vcpus = machine.vm.vcpus.map(({ id, stats }) => ({ id, ...stats }))
    report({ ...outcome, vcpus }, postMortem, options)
    return outcome.kind === 'exit' ? outcome.code : RUN_STATUS[outcome.kind]
  } finally {
    terminal.close()
    machine.close()
  }
}

function report(outcome: Outcome & { vcpus: object[] }, postMortem: PostMortem | undefined, { json }: Options): void {
  if (json) {
    const plain = (_key: string, value: unknown) =>
      typeof value === 'bigint'
        ? `0x${value.toString(16)}`
        : value instanceof Uint8Array
          ? Buffer.from(value).toString('hex')
          : value
    console.error(JSON.stringify({ ...outcome, ...(postMortem === undefined ? {} : { postMortem }) }, plain))
  } else if (postMortem !== undefined) {
    console.error(`\nnode-kvm: ${formatPostMortem(postMortem)}`)
  } else if (outcome.kind !== 'power-off') {
    console.error(`\nnode-kvm: ${describeOutcome(outcome)}`)
  }
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
