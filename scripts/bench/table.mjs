// @ts-check
import { cpus, release } from 'node:os'
import { probeHost } from 'node-kvm'

/** @import { Case, Row } from './rounds.mjs' */

/** The rows for a reader. @param {Row[]} rows @param {Case[]} cases */
export function formatTable(rows, cases) {
  const lines = rows.map((row) => {
    const { target, limit } = cases.find(({ name }) => name === row.case) ?? {}
    const verdict =
      target !== undefined
        ? `${row.ratio <= target ? '✓' : '✗'} ≤ ${target.toFixed(2)}`
        : limit !== undefined
          ? `${row.median <= limit ? '✓' : '✗'} ≤ ${limit} ${row.unit}`
          : ''
    const against = row.against === row.case ? '' : row.against
    /** @param {number} figure */
    const withUnit = (figure) => `${figure.toLocaleString('en-US')} ${row.unit}`
    return [row.case, withUnit(row.minimum), withUnit(row.median), row.ratio.toFixed(3), against, verdict]
  })
  const all = [['case', 'minimum', 'median', 'ratio', 'against', 'to reach'], ...lines]
  const widths = all[0]?.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0))) ?? []
  return all
    .map((line) =>
      line
        .map((cell, column) => pad(cell, widths[column] ?? 0, column))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Figures stand to the right. @param {string} cell @param {number} width @param {number} column */
function pad(cell, width, column) {
  return column >= 1 && column <= 3 ? cell.padStart(width) : cell.padEnd(width)
}

/** One line about where this was measured. */
export function describeHost() {
  const processors = cpus()
  const model = processors[0]?.model.trim() ?? 'unknown processor'
  return `${processors.length} × ${model}, KVM ${probeHost().kind}, Linux ${release()}, Node ${process.version}`
}
