// @ts-check
// npm run lab -- COMMAND: see docs/lab.md.

import { mkdirSync } from 'node:fs'
import { debianSteps } from '../guests/debian.mjs'
import { parseCommandLine } from './command-line.mjs'
import { LabError } from './errors.mjs'
import { LAB_FAILED } from './exit-status.mjs'
import { keepPlainFiles } from './output-folder.mjs'
import { prepare } from './progress.mjs'
import { supervise } from './supervise.mjs'

/** @param {import('./command-line.mjs').Request} request */
async function main({ host, job, timeout, silence, debian, verbose }) {
  const { architecture = process.arch } = host
  if (process.platform !== 'linux' || process.arch !== architecture)
    throw new LabError(`The ${host.name} host runs this machine's programs, so it needs Linux on ${architecture}.`)
  await prepare([...host.steps, ...(debian ? debianSteps : [])])
  mkdirSync(job.output, { recursive: true })
  try {
    return await supervise(() => host.start(job), {
      timeout,
      silence,
      verbose,
      bootSeconds: host.bootSeconds,
      isTerminal: job.terminal !== undefined,
    })
  } finally {
    keepPlainFiles(job.output)
  }
}

try {
  // Not process.exitCode: standard input may still be open.
  process.exit(await main(parseCommandLine(process.argv)))
} catch (error) {
  if (!(error instanceof LabError)) throw error
  process.stderr.write(`lab: ${error.message}\n`)
  process.exit(LAB_FAILED)
}
