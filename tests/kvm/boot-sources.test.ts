// What a machine boots: the protocol that a kernel gets, the words of Multiboot command lines, and the file that an error names.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KvmError } from 'node-kvm'
import { afterAll, describe, expect, test } from 'vitest'

import { type BootSource, firmware, flat, kernel, linux, Machine, serial } from 'node-kvm/machine'
import { elf, multiboot1Header } from '../unit/boot/images.js'

const folder = mkdtempSync(join(tmpdir(), 'node-kvm-boot-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
function file(name: string, bytes: Uint8Array | string): string {
  writeFileSync(join(folder, name), bytes)
  return join(folder, name)
}

const LOAD = 0x10_0000

/** What the guest writes to the serial line and the value that it exits with. */
async function run(boot: BootSource): Promise<{ text: string; value: number | undefined }> {
  let text = ''
  const output = (bytes: Uint8Array) => {
    text += Buffer.from(bytes).toString('latin1')
  }
  const machine = await Machine.create({ memory: '64M', boot, devices: [serial({ output })] })
  const outcome = await machine.run({ timeout: 20_000 })
  machine.close()
  return { text, value: outcome.kind === 'exit' ? outcome.value : undefined }
}

async function refusal(boot: BootSource): Promise<KvmError> {
  const error = await Machine.create({ memory: '16M', boot }).then(
    (machine) => {
      machine.close()
    },
    (reason: unknown) => reason,
  )
  if (!(error instanceof KvmError)) throw new Error('no KvmError', { cause: error })
  return error
}

describe('an ELF image of Linux without a PVH note', () => {
  // cmp dword [rsi + 0x202], "HdrS"; mov al, 1; je over; mov al, 2; over: out 0xf4, al; hlt
  const code = [0x81, 0xbe, 2, 2, 0, 0, 0x48, 0x64, 0x72, 0x53, 0xb0, 1, 0x74, 2, 0xb0, 2, 0xe6, 0xf4, 0xf4]
  test.each([64, 32])('gets boot_params, %i bits', async (bits) => {
    const image = elf([{ content: Uint8Array.from(code) }], { bits, entry: LOAD })
    const initrd = Uint8Array.of(1)
    for (const options of [{}, { cmdline: 'console=ttyS0' }, { initrd }]) {
      expect((await run(linux({ kernel: image, ...options }))).value).toBe(1)
    }
  })
})

describe('a Multiboot kernel', () => {
  /** Writes its command line, then the string of each module, each with a newline, and exits with 1. */
  const code = [
    ...[0xbc, 0, 0, 8, 0, 0x8b, 0x73, 16, 0xe8, 0x1b, 0, 0, 0], // mov esp, 0x80000; mov esi, [ebx + 16]; call print
    ...[0x8b, 0x4b, 20, 0x8b, 0x7b, 24], // mov ecx, [ebx + 20]; mov edi, [ebx + 24]
    ...[0xe3, 14, 0x8b, 0x77, 8, 0xe8, 0x0b, 0, 0, 0], // next: jecxz end; mov esi, [edi + 8]; call print
    ...[0x83, 0xc7, 16, 0x49, 0xeb, 0xf0], // add edi, 16; dec ecx; jmp next
    ...[0xb0, 1, 0xe6, 0xf4, 0xf4], // end: mov al, 1; out 0xf4, al; hlt
    // print: mov dx, 0x3f8; lodsb, out dx, al, until NUL; mov al, "\n"; out dx, al; ret
    ...[0x66, 0xba, 0xf8, 0x03, 0xac, 0x84, 0xc0, 0x74, 3, 0xee, 0xeb, 0xf8, 0xb0, 10, 0xee, 0xc3],
  ]
  const image = new Uint8Array(0x200)
  image.set(multiboot1Header(0x1_0000, [LOAD, LOAD, 0, 0, LOAD + 0x100]))
  image.set(code, 0x100)

  test('from files: each string begins with the file’s path', async () => {
    const path = file('kernel', image)
    const module = file('module', 'x')
    const modules = [{ image: module, cmdline: 'a=b c' }, { image: module }, { image: module, name: 'disk' }]
    const { text, value } = await run(kernel({ kernel: path, cmdline: 'quiet', modules }))
    expect([text, value]).toEqual([`${path} quiet\n${module} a=b c\n${module}\ndisk\n`, 1])
  })

  test('from bytes: with the name that is given, or one that says what it is', async () => {
    const bytes = Uint8Array.of(1)
    expect((await run(kernel({ kernel: image, modules: [{ image: bytes }] }))).text).toBe('kernel\nmodule\n')
    const modules = [{ image: bytes, name: 'm', cmdline: 'x' }]
    expect((await run(kernel({ kernel: image, name: 'xen', cmdline: 'dom0', modules }))).text).toBe('xen dom0\nm x\n')
  })
})

describe('an error names the file that it is about', () => {
  const elfKernel = file('vmlinux', elf([{ content: Uint8Array.of(0xf4) }]))
  const text = file('text', 'no kernel')
  const large = file('large', new Uint8Array(17 << 20))

  test.each<[string, BootSource, string]>([
    ['a kernel', kernel({ kernel: text }), text],
    ['a kernel of a format that is asked for', kernel({ kernel: text, format: 'elf' }), text],
    ['a Linux kernel', linux({ kernel: text }), text],
    ['one that is to be unpacked', linux({ kernel: text, unpack: true }), text],
    ['an initrd', linux({ kernel: elfKernel, initrd: large }), large],
    ['a flat binary', flat({ image: large, address: LOAD, mode: 'long' }), large],
    ['firmware', firmware({ image: large }), large],
    ['a file that is missing', kernel({ kernel: join(folder, 'missing') }), join(folder, 'missing')],
  ])('%s', async (_, boot, path) => {
    const error = await refusal(boot)
    expect(error.code).toBe('ERR_KVM_BOOT_IMAGE')
    expect(error.operands['path']).toBe(path)
    expect(error.message.split(path)).toHaveLength(2)
  })

  test('a module', async () => {
    const image = new Uint8Array(0x200)
    image.set(multiboot1Header(0x1_0000, [LOAD, LOAD, 0, 0, LOAD + 0x100]))
    const error = await refusal(
      kernel({ kernel: file('multiboot', image), modules: [{ image: text }, { image: large }] }),
    )
    expect([error.operands['path'], error.operands['image']]).toEqual([large, 'module 1'])
  })

  test('bytes have no name, and neither has what the caller wrote', async () => {
    expect((await refusal(kernel({ kernel: Uint8Array.of(1) }))).operands['path']).toBeUndefined()
    const long = linux({ kernel: elfKernel, cmdline: 'x'.repeat(3000) })
    expect((await refusal(long)).operands).toMatchObject({ image: 'command line' })
    expect((await refusal(long)).operands['path']).toBeUndefined()
  })
})
