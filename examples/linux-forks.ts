// Lesson 30, linux-forks: Linux boots once, and twenty forks of it each do a part of the work, at the same time
// Arguments: KERNEL INITRD
import { linux, serial } from 'node-kvm/machine'
import { bootOnce } from 'node-kvm/testing'

const [kernel, initrd] = process.argv.slice(2)
if (kernel === undefined || initrd === undefined) {
  console.error(`usage: node-kvm example linux-forks KERNEL INITRD
  KERNEL  a bzImage or vmlinux, such as /boot/vmlinuz-6.1.0-18-amd64
  INITRD  an initial RAM disk that ends in a root shell with busybox's programs; docs/examples.md says how to get one`)
  process.exit(2)
}

const FORKS = 20
const EACH = 25
const TIMEOUT = 240_000

await using warm = await bootOnce({
  machine: (console) => ({
    memory: '256M',
    boot: linux({ kernel, initrd, cmdline: 'console=ttyS0 quiet' }),
    devices: [serial({ console })],
  }),
  ready: '# ',
  bootTimeout: TIMEOUT,
  timeout: TIMEOUT,
})

/** A program for the shell: the primes from one number up to another. */
const primes = (from: number, to: number) => `
n=${from}
while [ $n -le ${to} ]; do
  d=2
  while [ $((d * d)) -le $n ] && [ $((n % d)) -ne 0 ]; do d=$((d + 1)); done
  [ $n -gt 1 ] && [ $((d * d)) -gt $n ] && echo $n
  n=$((n + 1))
done
true`

// None of them has booted, and none has memory of its own but for what it writes.
const parts = await Promise.all(
  Array.from({ length: FORKS }, (_, part) =>
    warm.fork(async (guest) => {
      const { status, output } = await guest.run(primes(part * EACH + 1, (part + 1) * EACH))
      if (status !== 0) throw new Error(`a shell ended with status ${status}: ${output}`)
      return output.trim().split(/\s+/).map(Number)
    }),
  ),
)
for (const [part, found] of parts.entries()) console.log(`fork ${part + 1}: ${found.join(' ')}`)
console.log(`host: ${parts.flat().length} primes up to ${FORKS * EACH}, by ${FORKS} forks of one guest`)
