import { bitNames, CR0, CR4, EFER, RFLAGS } from '../arch/x86/register-bits.js'
import { printable, printableLines } from '../format.js'
import { formatControllers, formatInterrupts } from './format-interrupts.js'
import type { CpuReport, InstructionReport, InterruptReport, PostMortem, VcpuReport } from './report.js'

const REGISTER_ROWS = [
  ['rax', 'rbx', 'rcx', 'rdx'],
  ['rsi', 'rdi', 'rbp', 'rsp'],
  ['r8', 'r9', 'r10', 'r11'],
  ['r12', 'r13', 'r14', 'r15'],
] as const

/**
 * A post-mortem as text, as a kernel's oops is: for a terminal or a log. What the guest and its symbols have in it is shown,
 * and does nothing there.
 */
export function formatPostMortem(report: PostMortem): string {
  const { vcpus, vcpu, exits } = report
  const last = vcpus.filter(({ id }) => id === vcpu)
  const others = vcpus.filter(({ id }) => id !== vcpu)
  return [
    report.summary,
    ...(report.host === undefined ? [] : [report.host]),
    ...last.flatMap((each) => ['', ...formatVcpu(each, true)]),
    ...others.flatMap((each) => ['', ...formatVcpu(each, false)]),
    ...(report.slide === undefined ? [] : ['', `Symbols are moved by ${report.slide}.`]),
    ...section(
      'Interrupt controllers',
      report.controllers === undefined ? [] : formatControllers(report.controllers).map((line) => `  ${line}`),
    ),
    ...section(
      'Last exits, the newest last',
      exits.map(
        ({ vcpu: id, exit, times }) =>
          `  ${id === undefined ? 'a vCPU' : `vCPU ${id}`}: ${exit}${times === 1 ? '' : `, ${times} times`}`,
      ),
    ),
    ...section('Last lines of the console', printableLines(report.console)),
  ]
    .map(printable)
    .join('\n')
}

function section(title: string, lines: string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines]
}

function formatVcpu({ id, mpState, cpu, interrupts, problem }: VcpuReport, full: boolean): string[] {
  const parts = [...(cpu === undefined ? [] : [cpu.mode, `privilege level ${cpu.cpl}`]), mpState].filter(Boolean)
  return [
    `vCPU ${id}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`,
    ...(problem === undefined ? [] : [`  ${problem}`]),
    // A vCPU that was never started has nothing to tell.
    ...(cpu === undefined || (!full && mpState === 'uninitialized') ? [] : formatCpu(cpu, interrupts, full)),
  ]
}

function formatCpu(cpu: CpuReport, interrupts: InterruptReport | undefined, full: boolean): string[] {
  return [
    ...(full ? formatRegisters(cpu) : []),
    ...(interrupts === undefined ? [] : formatInterrupts(interrupts).map((line) => `  ${line}`)),
    '  code:',
    ...formatCode(cpu.code),
    ...(cpu.codeProblem === undefined ? [] : [`      ${cpu.codeProblem}`]),
    '  stack:',
    ...cpu.stack.map(({ address, symbol, from }) =>
      `    ${from === 'scan' ? '? ' : '  '}${address} ${symbol ?? ''}`.trimEnd(),
    ),
  ]
}

function formatRegisters({ registers, segments, gdt, idt, control, codeSize }: CpuReport): string[] {
  const width = codeSize === 64 ? 16 : 8
  const value = (name: string, text: string) => `${name.toUpperCase().padEnd(3)} ${digits(text, width)}`
  return [
    ...REGISTER_ROWS.filter((_, row) => codeSize === 64 || row < 2).map(
      (names) => `  ${names.map((name) => value(name, registers[name])).join('  ')}`,
    ),
    `  ${value('rip', registers.rip)}  RFLAGS ${digits(registers.rflags, 8)} ${bits(registers.rflags, RFLAGS)}`,
    ...formatSegments(segments).map((line) => `  ${line}`),
    `  GDT base ${gdt.base} limit ${gdt.limit}  IDT base ${idt.base} limit ${idt.limit}`,
    `  CR0 ${control.cr0} ${bits(control.cr0, CR0)}  CR2 ${control.cr2}  CR3 ${control.cr3}`,
    `  CR4 ${control.cr4} ${bits(control.cr4, CR4)}  CR8 ${control.cr8}  EFER ${control.efer} ${bits(control.efer, EFER)}`,
  ]
}

/** A line for each; those that are alike share one, as data segments mostly are. */
function formatSegments(segments: CpuReport['segments']): string[] {
  const lines = new Map<string, string[]>()
  for (const [name, { selector, base, limit, kind, dpl }] of Object.entries(segments)) {
    const text = `${digits(selector, 4)} base ${base} limit ${limit} ${kind}, DPL ${dpl}`
    lines.set(text, [...(lines.get(text) ?? []), name.toUpperCase()])
  }
  return Array.from(lines, ([text, names]) => `${names.join(' ').padEnd(3)} ${text}`)
}

function formatCode(code: readonly InstructionReport[]): string[] {
  const places = code.map(({ address, symbol }) => (symbol === undefined ? address : `${address} ${symbol}`))
  const [placeWidth, bytesWidth] = [widest(places), widest(code.map(({ bytes }) => spaced(bytes)))]
  return code.map(({ bytes, text, target, current }, index) =>
    [
      `  ${current ? '->' : '  '}`,
      (places[index] ?? '').padEnd(placeWidth),
      ` ${spaced(bytes).padEnd(bytesWidth)} `,
      text ?? '(no instruction)',
      ...(target === undefined ? [] : [`<${target}>`]),
    ].join(' '),
  )
}

const widest = (texts: readonly string[]) => Math.max(0, ...texts.map(({ length }) => length))
const spaced = (bytes: string) => bytes.replaceAll(/(..)(?=.)/g, '$1 ')
const digits = (text: string, width: number) => text.replace(/^0x/, '').padStart(width, '0')

/** `[PE ET PG]` */
function bits(value: string, register: Readonly<Record<string, bigint>>): string {
  return `[${bitNames(register, BigInt(value)).join(' ')}]`
}
