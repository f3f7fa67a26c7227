// node-kvm/testing with a Linux guest: many tests in the time of one boot.
import { parseSymbols } from 'node-kvm/inspect'
import { linux, serial } from 'node-kvm/machine'
import { bootOnce, remainsOf, type WarmGuest } from 'node-kvm/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { guestInitramfs, kernelPath, PATIENCE, READY } from './linux.js'

let warm: WarmGuest
let boots = 0
beforeAll(async () => {
  const boot = linux({
    kernel: kernelPath('standard'),
    initrd: guestInitramfs('standard'),
    cmdline: 'console=ttyS0 quiet then=shell',
  })
  warm = await bootOnce({
    machine: (console) => {
      boots++
      return { memory: '256M', boot, devices: [serial({ console })] }
    },
    ready: '# ',
    bootTimeout: PATIENCE,
    timeout: PATIENCE,
  })
}, PATIENCE)
afterAll(() => warm.close())

describe('twenty tests, each in a guest of its own', () => {
  const commands: [string, string | RegExp, number?][] = [
    ['cat /ready', `${READY}\n`],
    ['uname -s', 'Linux\n'],
    ['grep -c ^processor /proc/cpuinfo', '1\n'],
    ['cut -d" " -f3 /proc/mounts', /^devtmpfs\nproc\nsysfs\n/m],
    ['cat /proc/cmdline', /then=shell/],
    ['cat /proc/1/comm', /^init\n$/],
    ['cat /proc/sys/kernel/ostype', 'Linux\n'],
    ['cat /proc/uptime', /^\d+\.\d+ \d+\.\d+\n$/],
    ['head -n 1 /proc/meminfo', /^MemTotal: +2\d{5} kB\n$/],
    ['cat /nowhere', /No such file/, 1],
    ['exit 42', '', 42],
    ['ls -d /mine', /No such file/, 1],
    ['mkdir /mine; ls -d /mine', '/mine\n'],
    ['[ -e /mine ] || echo none', 'none\n'],
    ['insmod /modules/evdev.ko; cut -d" " -f1 /proc/modules', 'evdev\n'],
    ['cut -d" " -f1 /proc/modules', ''],
    [`echo "it's" 'quoted'`, "it's quoted\n"],
    ['i=0; while [ $i -lt 5 ]; do i=$((i+1)); echo $i; done', '1\n2\n3\n4\n5\n'],
    ['seq 1000 | wc -l', /^ *1000\n$/],
    ['dmesg | grep -c reseeded', '1\n'],
  ]
  test.each(commands)(
    '%s',
    (command, output, status = 0) =>
      warm.fork(async (guest) => {
        const result = await guest.run(command)
        expect(result.output).toMatch(output)
        if (typeof output === 'string') expect(result.output).toBe(output)
        expect(result.status).toBe(status)
      }),
    PATIENCE,
  )

  test('and the guest has booted once', () => {
    expect(boots).toBe(1 + commands.length)
    expect(warm.bootText).toContain(READY)
  })
})

test(
  'a panic fails the test, with the names of the functions that led there',
  async () => {
    // Each with the symbol that follows it, so that no other function gets its name. They are where the kernel has moved them.
    const wanted =
      '(panic|sysrq_handle_crash|__handle_sysrq|write_sysrq_trigger|proc_reg_write|vfs_write|ksys_write|do_syscall_64)'
    const text = await warm.fork(
      async (guest) => (await guest.run(`grep -A1 -E ' [tT] ${wanted}$' /proc/kallsyms`)).output,
    )
    const lines = text.split('\n').filter((line) => /^[0-9a-f]{16} \w \S+$/.test(line))
    const symbols = parseSymbols(Buffer.from(`${lines.join('\n')}\n`), { slide: 0n })
    const error = (await warm
      .fork((guest) => guest.run('echo c >/proc/sysrq-trigger'), { symbols })
      .catch((thrown: unknown) => thrown)) as Error
    expect(error).toMatchObject({ code: 'ERR_KVM_GUEST_FAILED', operands: { reason: 'console' } })
    expect(error.message).toMatch(/^the guest has failed: .*Kernel panic - not syncing: sysrq triggered crash\n/)
    const stack = remainsOf(error)?.postMortem?.vcpus[0]?.cpu?.stack.map(({ symbol = '' }) =>
      symbol.replace(/\+.*/, ''),
    )
    expect(stack).toEqual(expect.arrayContaining(['panic', 'sysrq_handle_crash', 'write_sysrq_trigger']))
    // The kernel's own words, to the last.
    expect(error.message).toMatch(/\| .*Call Trace:\n[^]*\| .*end Kernel panic/)
  },
  PATIENCE,
)
