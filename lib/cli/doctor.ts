import type { Command } from 'commander'
import { factsWithoutAddon } from '../host/facts.js'
import { formatFacts, paint } from '../host/format.js'
import type { CapabilityReport, HostFacts, HostReport } from '../index.js'
import { formatCapabilities } from './capabilities.js'

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
    .option('--capabilities', 'say what each capability of KVM is, and whether this host has it')
    .addHelpText(
      'after',
      `
The exit status is 1 when guests cannot run here.

Examples:
  node-kvm doctor
  node-kvm doctor --capabilities
  node-kvm doctor --json | jq .limits`,
    )
    .action(async (options: { json?: true; device: string; capabilities?: true }) => {
      const report = await probe(options.device)
      const wanted = options.capabilities && report.usable
      const capabilityReport = wanted ? await capabilitiesOf(options.device) : undefined
      console.log(
        options.json
          ? JSON.stringify({ ...report, capabilityReport }, null, 2)
          : format(report, capabilityReport === undefined ? [] : formatCapabilities(capabilityReport)),
      )
      process.exitCode = report.usable ? 0 : 1
    })
}

type Report = HostReport | (HostFacts & { usable: false; limits?: undefined })

async function capabilitiesOf(path: string): Promise<CapabilityReport[]> {
  const { Kvm } = await import('../index.js')
  using kvm = Kvm.open({ path })
  return await kvm.capabilities()
}

/** Where the addon is what is amiss, the rest can be said all the same. */
async function probe(path: string): Promise<Report> {
  try {
    const { probeHost } = await import('../index.js')
    return probeHost({ path })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_KVM_ADDON')) throw error
    const addon = { name: 'addon', ok: false, required: true, detail: 'cannot be loaded', fix: error.message }
    return { ...factsWithoutAddon(path, addon), usable: false }
  }
}

function format(report: Report, capabilities: readonly string[]): string {
  return [
    formatFacts(report),
    ...(report.usable ? formatLimits(report.limits) : []),
    ...capabilities,
    report.usable ? paint('green', 'Guests can run here.') : paint('red', 'Guests cannot run here.'),
  ].join('\n')
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
