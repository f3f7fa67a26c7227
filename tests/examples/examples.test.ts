import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { LACKING, outputOf, spawnExample } from './run-example.js'

/** What each example prints, to the last character. */
const expected: Record<string, string> = {
  hello: 'Hello from real mode!\n',

  add: `guest: 2 + 3 = 5
host: al is 10, rbx still 3, and rip 11 bytes further
`,

  'protected-mode': `32 bits at 2 MiB: 0xcafef00d
host: memory at 2 MiB holds 0xcafef00d
`,

  'long-mode': `primes: 2 3 5 7 11 13 17 19 23 29 31 37 41 43 47
20! = 2432902008176640000
`,

  'mmio-device': '1 1 4 5 5 6 5 4 4 1 \n',

  interrupts: `guest: ringing the doorbell
host: request 1, raising GSI 5
guest: interrupt 1
guest: ringing the doorbell
host: request 2, raising GSI 5
guest: interrupt 2
guest: ringing the doorbell
host: request 3, raising GSI 5
guest: interrupt 3
`,

  timer: `tick 1
tick 2
tick 3
tick 4
tick 5
host: that took at least 50 ms
`,

  smp: `CPU 0 is here, local APIC 0
CPU 1 is here, local APIC 1
CPU 2 is here, local APIC 2
CPU 3 is here, local APIC 3
the sum of 1 to 1000, on 4 CPUs, is 500500
`,

  'user-mode': `program: hello, by system call
kernel: the program runs in ring 3
kernel: general protection fault at program+24 in ring 3: program stopped
host: the vCPU is in ring 0; its TSS is segment 0x28
`,

  'triple-fault': `guest: all is well
host: exit 20 is the guest's last: shutdown
host: the last instruction it tried is
  rip 0x111d: 488907   mov %rax, (%rdi)
  with rax = 86400 and rdi = 0x4000000000
`,

  'dirty-log': `................................
......#...#..#...#..#...#.......
......#..#...#...#..##.##.......
......#.#....#...#..#.#.#.......
......##.....#...#..#.#.#.......
......#.#....#...#..#...#.......
......#..#....#.#...#...#.......
......#...#....#....#...#.......
................................
45 of 288 pages written

##............................##
..##........................##..
....##....................##....
......##................##......
........##............##........
..........##........##..........
............##....##............
..............####..............
................................
32 of 288 pages written

`,

  'single-step': `rip     changes
0x1000  rax 0 -> 48
0x1003  rbx 0 -> 18
0x1006
0x1008  rax 48 -> 2, rdx 0 -> 12
0x100a  rax 2 -> 18
0x100c  rbx 18 -> 12
0x100e
0x1010
0x1006  rdx 12 -> 0
0x1008  rax 18 -> 1, rdx 0 -> 6
0x100a  rax 1 -> 12
0x100c  rbx 12 -> 6
0x100e
0x1010
0x1006  rdx 6 -> 0
0x1008  rax 12 -> 2
0x100a  rax 2 -> 6
0x100c  rbx 6 -> 0
0x100e
0x1010
the greatest common divisor is 6
`,

  snapshot: `1a 2b 3c
host: saved
4d 5e 6f 7g
host: restored
4d 5e 6f 7g
`,

  'smp-threads': '4 CPUs have met and counted the primes below 2000: 303\n',

  clock: `\rhost: 0.1 s \rhost: 0.2 s \rhost: 0.3 s \rhost: 0.4 s \rhost: 0.5 s \n\
guest: that was enough, and it was not for nothing: yes
`,

  'two-vms': `guest 0 says 1
guest 1 says 2
guest 0 says 3
guest 1 says 4
guest 0 says 5
guest 1 says 6
`,

  multiboot: `booted by Multiboot, to: multiboot count the memory
0000000000000000 000000000009fc00 memory
000000000009fc00 0000000000060400 reserved
0000000000100000 0000000000f00000 memory
host: the guest is done: 0
`,

  'copy-engine': `guest: the device has copied this
guest: a copy to where there is no memory has status 2
guest: interrupts: 2
host:  the guest is done: 0
`,

  'pci-device': `guest: there is a checksum engine in slot 3
guest: before it is a bus master: status 2, interrupts: 0
guest: and then: status 1, interrupts: 2
guest: the checksum of 123456789 is 0xcbf43926
host:  the guest is done: 0
`,

  'computed-disk': `the square of 7 is 49
the square of 46341 is 2147488281
the square of 2147483647 is 4611686014132420609
there is no sector 2147483648
host: 3 sectors read, 1 request refused
host: the guest is done: 0
`,

  'virtio-device': `guest: in ring 3, with a dictionary of 3 words
guest: virtual: not there, and works
guest: ring: a queue whose end is its beginning
guest: real: ?
guest: exit: the moment when a guest stops, and its host goes on
host:  1 word was not in the dictionary
host:  the guest is done: 0
`,

  'network-switch': `guest 1 hears from guest 2: good evening
guest 1 hears from guest 2: my password is swordfish
guest 1 hears from guest 2: good night
host: the guest is done: 0
guest 2 hears from guest 1: good evening
guest 2 hears from guest 1: my password is swordfish
guest 2 hears from guest 1: good night
host: the guest is done: 0
host: of all that, 2 frames were for everybody
`,

  'packet-filter': `guest 1 hears from guest 2: good evening
guest 1 hears from guest 2: good night
host: the guest is done: 0
guest 2 hears from guest 1: good evening
guest 2 hears from guest 1: good night
host: the guest is done: 0
host: 2 frames did not pass
`,

  'time-travel': `.w.c~~f.g. so far, so good
fw.c~~..g. so far, so good
...c~~fwg. so far, so good
f.gc~~.w.. so far, so good
..g.~~fw.c so far, so good
f.g.~~.w.c so far, so good
....~~fwgc all are across
host: 17 crossings were tried, in as many forks; 7 of them count
`,

  'kernel-tests': `0 + 0 = 0
1 + 2 = 3
40 + 2 = 42
4294967295 + 1 = 0
123456789 + 987654321 = 1111111110
2 - 1 = 1
42 - 42 = 0
0 - 1 = 4294967295
1000000 - 1 = 999999
6 * 7 = 42
65536 * 65536 = 0
99999 * 10000 = 999990000
0 * 5 = 0
42 / 6 = 7
7 / 2 = 3
1 / 2 = 0
4294967295 / 65535 = 65537
7 % 4 = 3
100 % 10 = 0
5 % 7 = 5
host: 20 tests have passed, and the kernel has booted once
the guest has failed: Kernel panic - not syncing: division by zero
in panic < divide < calculate < kernel
`,

  'arm64-hello': 'Hello from EL1!\n',

  'arm64-smp': `CPU 0 switches CPU 1 on
CPU 1 is here
CPU 0 has heard from it
`,

  'arm64-timer': `tick 1
tick 2
tick 3
tick 4
tick 5
`,

  migrate: `source: the guest has counted, and is gone (migrated)
target: the guest counts on, with the next number
`,
}

interface Lesson {
  name: string
  title: string
  /** Whose programs its guest is. */
  architecture: string
  /** The arguments without which it cannot run. */
  needs?: string
}
const manifest = JSON.parse(
  readFileSync(new URL('../../dist/examples/manifest.json', import.meta.url), 'utf8'),
) as Lesson[]
/** Those whose guest runs on this processor. */
const here = new Set(manifest.filter(({ architecture }) => architecture === process.arch).map(({ name }) => name))

for (const [name, output] of Object.entries(expected))
  test.runIf(here.has(name))(`${name} prints what its lesson says`, ({ skip }) => {
    const result = spawnExample(name)
    if (result.status === LACKING) {
      console.warn(`${name} was left out: ${result.stderr.trim()}`)
      skip(result.stderr.trim())
    }
    expect(outputOf(name, result)).toBe(output)
  })

const needy = manifest.flatMap(({ name, needs }) => (needs === undefined ? [] : [[name, needs] as const]))

// tests/lab/inside/examples.test.ts and debian-example.test.ts give them what they need.
test.runIf(process.arch === 'x64').each(needy)(
  '%s without its arguments says what it needs, and ends with status 2',
  (name, needs) => {
    const { status, stdout, stderr } = spawnExample(name)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(`usage: node-kvm example ${name} ${needs}`)
  },
)

test('every example is tested', () => {
  expect(manifest.map(({ name }) => name).sort()).toEqual(
    [...Object.keys(expected), ...needy.map(([name]) => name)].sort(),
  )
  const inLab = ['examples', 'debian-example']
    .map((file) => readFileSync(new URL(`../lab/inside/${file}.test.ts`, import.meta.url), 'utf8'))
    .join()
  for (const [name] of needy) expect(inLab).toContain(`'${name}: `)
})

test('the documentation lists every example, in order, with its title', () => {
  const page = readFileSync(new URL('../../docs/examples.md', import.meta.url), 'utf8')
  const listed = [...page.matchAll(/^\d+\. \[`([\w-]+)`\]\(\S+\): (.+)$/gm)].map(([, name, title]) => ({ name, title }))
  expect(listed).toEqual(manifest.map(({ name, title }) => ({ name, title })))
  for (const [name, needs] of needy) expect(page).toContain(`npx node-kvm example ${name} ${needs}`)
})
