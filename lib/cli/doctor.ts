import { styleText } from 'node:util'
import type { Command } from 'commander'
import type { HostCheck, HostReport } from '../index.js'

/** `node-kvm doctor`: what this host's KVM can do, and what to do about what is missing. */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .summary('is KVM usable here, and if not, what to do')
    .description(
      'Look at this host: which KVM it has, whether it can be used, what it can do, and how to mend what is missing.',
    )
    .option('--json', 'print the report as JSON')
    .option('--device <path>', 'the KVM device', '/dev/kvm')
    .addHelpText(
      'after',
      `
The exit status is 1 when guests cannot run here.

Examples:
  node-kvm doctor
  node-kvm doctor --json | jq .limits`,
    )
    .action(async ({ json, device }: { json?: true; device: string }) => {
      const { probeHost } = await import('../index.js')
      const report = probeHost({ path: device })
      console.log(json ? JSON.stringify(report, null, 2) : format(report))
      process.exitCode = report.usable ? 0 : 1
    })
}

function format(report: HostReport): string {
  const { kernel, architecture, node, limits } = report
  const width = Math.max(...report.checks.map(({ name }) => name.length))
  return [
    `Linux ${kernel} on ${architecture}, Node ${node}`,
    '',
    ...report.checks.map((check) => formatCheck(check, width)),
    '',
    ...(report.usable ? formatLimits(limits) : []),
    report.usable ? styleText('green', 'Guests can run here.') : styleText('red', 'Guests cannot run here.'),
  ].join('\n')
}

function formatCheck({ name, ok, required, detail, fix }: HostCheck, width: number): string {
  const mark = ok ? styleText('green', '✓') : required ? styleText('red', '✗') : styleText('yellow', '–')
  const line = `${mark} ${name.padEnd(width)}  ${detail}`
  return fix === undefined || fix === '' ? line : `${line}\n  ${' '.repeat(width)}  → ${fix}`
}

function formatLimits(limits: HostReport['limits']): string[] {
  const rows: [string, number | undefined][] = [
    ['vCPUs of a VM, recommended', limits.recommendedVcpus],
    ['vCPUs of a VM, at most', limits.maxVcpus],
    ['memory regions of a VM', limits.memorySlots],
    ['open files of this process', limits.openFiles],
    ['free huge pages of 2 MiB', limits.freeHugePages],
  ]
  return ['Limits', ...rows.map(([what, limit]) => `  ${what.padEnd(27)} ${limit ?? 'unknown'}`), '']
}
