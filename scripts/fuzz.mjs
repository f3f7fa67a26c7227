// @ts-check
// npm run fuzz -- [RUNS] [SEED]: every fuzz test with so many inputs, and how many that were: those of tests/unit, and those of
// tests/kvm where this user may use KVM.
//   RUNS   for each test, 50000 unless given; a test whose inputs take long tries a share of them
//   SEED   for other inputs than the last time; a random one unless given, and printed
import { spawnSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const [runs = '50000', seed = String(Math.floor(Math.random() * 2 ** 31))] = process.argv.slice(2)
if (![runs, seed].every((number) => /^\d{1,10}$/.test(number))) {
  console.error('usage: npm run fuzz -- [RUNS] [SEED]')
  process.exit(2)
}

const projects = mayUseKvm() ? ['unit', 'kvm'] : ['unit']
const files = projects
  .flatMap((project) =>
    readdirSync(join(root, 'tests', project), { recursive: true, encoding: 'utf8' }).map((file) =>
      join('tests', project, file),
    ),
  )
  .filter((file) => file.endsWith('.test.ts') && readFileSync(join(root, file), 'utf8').includes('fuzzRuns('))
const chosen = projects.flatMap((project) => ['--project', project])
const folder = mkdtempSync(join(tmpdir(), 'node-kvm-fuzz-'))
const report = join(folder, 'report')
try {
  const { status } = spawnSync('npx', ['vitest', 'run', ...chosen, '--testTimeout', '0', ...files], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, NODE_KVM_FUZZ_RUNS: runs, NODE_KVM_FUZZ_SEED: seed, NODE_KVM_FUZZ_REPORT: report },
  })
  const lines = readFileSync(report, 'utf8').trimEnd().split('\n')
  for (const line of lines) console.log(line)
  const total = lines.reduce((sum, line) => sum + parseInt(line), 0)
  console.log(
    `${String(total).padStart(9)}  inputs in all, seed ${seed}; ${status === 0 ? 'nothing found' : 'see above'}`,
  )
  process.exitCode = status ?? 1
} finally {
  rmSync(folder, { recursive: true })
}

function mayUseKvm() {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
