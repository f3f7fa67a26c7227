import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const main = fileURLToPath(new URL('../../scripts/bench/main.mjs', import.meta.url))

// As `npm run bench -- …` does. The figures themselves are not looked at: a test host may be busy.
function bench(...args: string[]) {
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
}

const small = ['--rounds', '1', '--count', '20']

test.each([
  {
    name: 'exits',
    unit: 'ns',
    ratios: {
      C: 'C',
      'C, over a while': 'C',
      'run()': 'C',
      'run({ deadline })': 'C',
      threaded: 'C',
      'threaded, naive': 'C',
      'posted write': 'C, over a while',
      'latched read': 'C, over a while',
      'two vCPUs, each': 'C',
      'two vCPUs in C, each': 'C',
    },
  },
  {
    name: 'delay',
    unit: 'ms',
    ratios: {
      'idle, p99': 'idle, p99',
      'one busy vCPU, p50': 'idle, p99',
      'one busy vCPU, p99': 'idle, p99',
      'two busy vCPUs, p99': 'idle, p99',
    },
  },
  {
    name: 'lifecycle',
    unit: 'µs',
    ratios: {
      'VM and vCPU, in C': 'VM and vCPU, in C',
      'VM and vCPU': 'VM and vCPU, in C',
      'VM, vCPU and 2 MiB, in C': 'VM, vCPU and 2 MiB, in C',
      'VM, vCPU and 2 MiB': 'VM, vCPU and 2 MiB, in C',
    },
  },
  {
    name: 'start',
    unit: 'ms',
    ratios: {
      'process, in C': 'process, in C',
      'process: node -e 0': 'process, in C',
      process: 'process: node -e 0',
      import: 'process: node -e 0',
      'first VM, in C': 'first VM, in C',
      'first VM': 'first VM, in C',
      'later VMs, in C': 'later VMs, in C',
      'later VMs': 'later VMs, in C',
    },
  },
  {
    name: 'virtio',
    unit: 'µs',
    ratios: {
      'C, depth 1': 'C, depth 1',
      'node-kvm, depth 1': 'C, depth 1',
      'C, depth 32': 'C, depth 32',
      'node-kvm, depth 32': 'C, depth 32',
    },
  },
])('$name --json prints one array of rows and nothing else', { timeout: 60_000 }, ({ name, unit, ratios }) => {
  const { status, stdout, stderr } = bench(name, '--json', ...small)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(JSON.parse(stdout)).toEqual(
    Object.entries(ratios).map(([from, against]) => ({
      bench: name,
      case: from,
      minimum: expect.any(Number) as number,
      median: expect.any(Number) as number,
      unit,
      ratio: from === against ? 1 : (expect.any(Number) as number),
      against,
    })),
  )
})

test('without --json there is a line about the host and a table', { timeout: 60_000 }, () => {
  const { status, stdout } = bench('exits', ...small)
  expect(status).toBe(0)
  expect(stdout).toMatch(
    /^\d+ × .+, KVM \w+, Linux .+, Node v.+\nexits: .+\n\ncase +minimum +median +ratio +against +to reach\nC +/,
  )
})

test('without a name the benches are listed', () => {
  const { status, stdout } = bench()
  expect(status).toBe(0)
  expect(stdout).toMatch(
    /^ {2}exits +.+\n {2}delay +.+\n {2}lifecycle +.+\n {2}start +.+\n {2}boot +.+\n {2}virtio +.+$/m,
  )
})

test.each([
  {
    args: ['exit'],
    message:
      "bench: there is no bench 'exit'; there are: exits, delay, lifecycle, start, boot, virtio, fork, snapshot\n",
  },
  { args: ['exits', 'lifecycle'], message: 'bench: one bench at a time, please: exits, lifecycle\n' },
  { args: ['exits', '--rounds', '0'], message: "bench: --rounds must be a whole number from 1, not '0'\n" },
  { args: ['exits', '--count', 'many'], message: "bench: --count must be a whole number from 1, not 'many'\n" },
])('$args is refused with status 2', ({ args, message }) => {
  expect(bench(...args)).toMatchObject({ status: 2, stdout: '', stderr: message })
})

test('boots are the lab’s, and it says how', () => {
  const { status, stderr } = spawnSync(process.execPath, [main, 'boot'], {
    encoding: 'utf8',
    env: { ...process.env, NODE_KVM_LAB: undefined },
  })
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: expect.stringContaining('npm run lab -- node scripts/bench') as string,
  })
})

test('an unknown option is refused with status 2', () => {
  expect(bench('exits', '--jason')).toMatchObject({ status: 2, stdout: '' })
})
