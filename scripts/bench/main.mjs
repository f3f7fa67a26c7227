// @ts-check
// `npm run bench`: what things cost here, beside what they cost in C.
import { parseArgs } from 'node:util'
import { boot } from './boot.mjs'
import { delay, exits } from './exits.mjs'
import { fork } from './fork.mjs'
import { lifecycle } from './lifecycle.mjs'
import { measureRounds } from './rounds.mjs'
import { snapshot } from './snapshot.mjs'
import { start } from './start.mjs'
import { describeHost, formatTable } from './table.mjs'
import { virtio } from './virtio.mjs'

/** @import { Case } from './rounds.mjs' */

/**
 * @typedef {object} Bench
 * @property {string} about One line for the list.
 * @property {number} rounds How many rounds, unless --rounds says so.
 * @property {number} count How much is measured in a round, unless --count says so.
 * @property {(count: number) => Case[] | Promise<Case[]>} prepare
 */

/** @type {Record<string, Bench>} */
const BENCHES = { exits, delay, lifecycle, start, boot, virtio, fork, snapshot }

const HELP = `npm run bench -- NAME [--json] [--rounds N] [--count N]

${Object.entries(BENCHES)
  .map(([name, { about }]) => `  ${name.padEnd(12)}${about}`)
  .join('\n')}

  --json        print the rows as one JSON array and nothing else (npm run -s, so that npm prints nothing either)
  --rounds N    how many rounds; a round measures every case once
  --count N     how many exits, VMs and so on a case has in a round`

const options = /** @type {const} */ ({
  json: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  count: { type: 'string' },
  help: { type: 'boolean', default: false },
})

class UsageError extends Error {}

try {
  await main()
} catch (error) {
  if (!(error instanceof Error)) throw error
  console.error(`bench: ${error.message}`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}

async function main() {
  const { values, positionals } = parse()
  const [name, ...more] = positionals
  if (values.help || name === undefined) {
    console.log(HELP)
    return
  }
  const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined
  if (bench === undefined)
    throw new UsageError(`there is no bench '${name}'; there are: ${Object.keys(BENCHES).join(', ')}`)
  if (more.length > 0) throw new UsageError(`one bench at a time, please: ${positionals.join(', ')}`)

  const rounds = wholeNumber('--rounds', values.rounds) ?? bench.rounds
  const count = wholeNumber('--count', values.count) ?? bench.count
  const cases = await bench.prepare(count)
  const rows = await measureRounds(name, cases, rounds)
  if (values.json) console.log(JSON.stringify(rows, null, 2))
  else
    console.log(
      `${describeHost()}\n${name}: ${bench.about}; median of ${rounds} × ${count}\n\n${formatTable(rows, cases)}`,
    )
}

function parse() {
  try {
    return parseArgs({ options, allowPositionals: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** @param {string} option @param {string | undefined} text */
function wholeNumber(option, text) {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new UsageError(`${option} must be a whole number from 1, not '${text}'`)
  return value
}
