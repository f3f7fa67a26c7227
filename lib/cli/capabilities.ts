import type { CapabilityReport, KvmArchitecture } from '../index.js'

const HERE: Partial<Record<NodeJS.Architecture, KvmArchitecture>> = { x64: 'x86', arm64: 'arm64' }

/** Those that a host of this architecture can have, a line each: what it answers, and what that means. */
export function formatCapabilities(capabilities: readonly CapabilityReport[]): string[] {
  const here = HERE[process.arch]
  const rows = capabilities.filter(
    ({ architectures }) => architectures === undefined || here === undefined || architectures.includes(here),
  )
  const width = Math.max(...rows.map(({ name }) => name.length))
  const lines = rows.flatMap(({ name, about, ...rest }) => {
    const line = `  ${name.padEnd(width)}  ${answer(rest).padStart(10)}  ${about}`
    const bits = rest.set ?? []
    return bits.length === 0 ? [line] : [line, ...bits.map((bit) => `${' '.repeat(width + 16)}- ${bit}`)]
  })
  return ['Capabilities', ...lines, '']
}

function answer({ kind, value }: Pick<CapabilityReport, 'kind' | 'value'>): string {
  if (value === 0) return '–'
  if (kind === 'flag') return 'yes'
  return kind === 'count' ? String(value) : `0x${(value >>> 0).toString(16)}`
}
