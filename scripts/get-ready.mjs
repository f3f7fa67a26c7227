// @ts-check
// What `npm start` and `npm test` do first: look for what is missing, build, and find out where guests can run: on this host, or, where its KVM
// cannot be used, in the lab.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { checkDevice, DEFAULT_DEVICE } from '../lib/host/device.js'
import { formatCheck } from '../lib/host/format.js'
import { LAB_FAILED } from './lab/exit-status.mjs'
import { ensurePackages, groups, missingPackages } from './system-packages.mjs'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** A heading, so that a person sees what goes on. @param {string} text */
export const step = (text) => console.log(`\n── ${text}`)

/**
 * Runs a command to its end. True when it did what it should.
 * @param {string} program
 * @param {readonly string[]} args
 */
export function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit' })
  if (error) console.error(`${program}: ${error.message}`)
  return status === 0
}

/** An emulated machine that breaks down says nothing about the command: it gets a second chance, and this is said. */
const TRIES = 2

/**
 * Runs a command in the lab.
 * @param {readonly string[]} command
 * @param {readonly string[]} [options]  the lab's
 */
export function runInLab(command, options = []) {
  const args = ['scripts/lab/main.mjs', ...options, ...command]
  for (let tries = 1; ; tries++) {
    const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
    if (status !== LAB_FAILED || tries === TRIES) return status === 0
    step('The machine broke down; once more, with a new one')
  }
}

/**
 * Everything is there and built then. Undefined when something failed, which has been said.
 * @returns {Promise<'here' | 'lab' | undefined>}
 */
export async function getReady() {
  if (!existsSync(`${root}/node_modules/typescript`)) {
    console.error('The npm packages are missing. Install them: npm ci')
    return undefined
  }
  // Before the build, so that a person is asked for everything at once.
  const device = checkDevice(DEFAULT_DEVICE)
  const forTheLab = device.ok ? [] : await missingForTheLab()
  const needed = [...missingPackages(groups['build'] ?? {}), ...forTheLab]
  // Whoever would rather mend that than install an emulator reads it here.
  if (forTheLab.length > 0) sayWhyTheLab([device])
  if (!ensurePackages([...new Set(needed)])) return undefined

  step('Building what has changed')
  if (!run('npm', ['run', '-s', 'build'])) {
    console.error('\nThe build failed; the reason is above.')
    return undefined
  }

  return whereGuestsRun()
}

/**
 * Asks the doctor, and says where it sees a hindrance. Everything must be built.
 * @returns {Promise<'here' | 'lab'>}
 */
export async function whereGuestsRun() {
  const entry = new URL('../dist/index.js', import.meta.url).href
  const built = /** @type {unknown} */ (await import(entry))
  const { probeHost } = /** @type {typeof import('../lib/index.js')} */ (built)
  const wrong = probeHost().checks.filter(({ ok, required }) => required && !ok)
  if (wrong.length === 0) return 'here'
  sayWhyTheLab(wrong)
  return 'lab'
}

/** @param {readonly import('../lib/host/types.js').HostCheck[]} wrong */
function sayWhyTheLab(wrong) {
  step("This host's KVM cannot be used, so guests run in the lab: a machine in software emulation (docs/lab.md)")
  for (const check of wrong) console.log(formatCheck(check))
}

async function missingForTheLab() {
  const { hosts } = await import('./lab/hosts/index.mjs')
  return hosts.get('amd')?.steps.flatMap((step) => step.missing?.() ?? []) ?? []
}
