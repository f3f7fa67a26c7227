// @ts-check
import * as util from 'node:util'

/** Nodes that are too old have no styleText(); they are told so in plain text. @param {'green' | 'red' | 'yellow'} color @param {string} text */
export const paint = (color, text) => ('styleText' in util ? util.styleText(color, text) : text)

/**
 * A host's checks, and what its guests cannot do.
 * @param {import('./types.js').HostFacts} facts
 */
export function formatFacts({ kernel, architecture, node, checks, cannot }) {
  const width = Math.max(...checks.map(({ name }) => name.length))
  return [
    `Linux ${kernel} on ${architecture}, Node ${node}`,
    '',
    ...checks.map((check) => formatCheck(check, width)),
    '',
    ...(cannot.length === 0
      ? []
      : ["What guests cannot do on this host's KVM", ...cannot.map((line) => `  - ${line}`)]),
    ...(cannot.length === 0
      ? []
      : ['  → The lab has a KVM without these limits: npm run lab -- COMMAND, in a checkout of node-kvm', '']),
  ].join('\n')
}

/**
 * A line, and one with what to do.
 * @param {import('./types.js').HostCheck} check
 * @param {number} [width]  of the names
 */
export function formatCheck({ name, ok, required, detail, fix }, width = name.length) {
  const mark = ok ? paint('green', '✓') : required ? paint('red', '✗') : paint('yellow', '–')
  const line = `${mark} ${name.padEnd(width)}  ${detail}`
  return fix === undefined || fix === '' ? line : `${line}\n  ${' '.repeat(width)}  → ${fix}`
}
