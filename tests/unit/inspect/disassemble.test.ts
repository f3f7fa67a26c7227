import { describe, expect, test } from 'vitest'

import { type CodeSize, disassemble } from '../../../lib/inspect/index.js'

const text = async (bytes: number[], codeSize: CodeSize, address = 0x1000n) =>
  (await disassemble(Uint8Array.from(bytes), { address, codeSize })).map((instruction) => instruction.text)

describe('disassemble', () => {
  test('the same bytes in 16, 32 and 64 bits', async () => {
    const bytes = [0xb8, 0x34, 0x12, 0x40, 0x90]
    expect(await text(bytes, 16)).toEqual(['mov ax, 0x1234', 'inc ax', 'nop'])
    expect(await text(bytes, 32)).toEqual(['mov eax, 0x90401234'])
    expect(await text([0x48, 0x89, 0xe5], 64)).toEqual(['mov rbp, rsp'])
  })

  test('numbers of 64 bits are whole, also where the low half is small', async () => {
    expect(await text([0x48, 0xa1, 0, 0, 0, 0, 0, 1, 0, 0], 64)).toEqual(['mov rax, [0x10000000000]'])
    expect(await text([0x48, 0xb8, 1, 0, 0, 0, 0, 1, 0, 0], 64)).toEqual(['mov rax, 0x10000000001'])
  })

  test('branches: where they lead', async () => {
    const code = Uint8Array.of(0xe8, 0xfb, 0xff, 0xff, 0xff, 0xeb, 0xfe, 0xff, 0xe0)
    const [call, jump, indirect] = await disassemble(code, { address: 0xffff_ffff_8100_0000n, codeSize: 64 })
    expect(call).toMatchObject({ text: 'call 0xffffffff81000000', target: 0xffff_ffff_8100_0000n })
    expect(jump).toMatchObject({ address: 0xffff_ffff_8100_0005n, target: 0xffff_ffff_8100_0005n })
    expect(indirect).toEqual({ address: 0xffff_ffff_8100_0007n, bytes: Uint8Array.of(0xff, 0xe0), text: 'jmp rax' })
  })

  test('what is no instruction has bytes and no text, and decoding goes on', async () => {
    const instructions = await disassemble(Uint8Array.of(0x06, 0x00, 0x90), { address: 0n, codeSize: 64 })
    expect(instructions).toEqual([
      { address: 0n, bytes: Uint8Array.of(0x06, 0x00) },
      { address: 2n, bytes: Uint8Array.of(0x90), text: 'nop' },
    ])
  })

  test('an instruction that the bytes end in', async () => {
    expect(await disassemble(Uint8Array.of(0x48, 0xb8, 1), { address: 0n, codeSize: 64 })).toEqual([
      { address: 0n, bytes: Uint8Array.of(0x48, 0xb8, 1) },
    ])
  })

  test('no bytes, and a count', async () => {
    expect(await text([], 64)).toEqual([])
    expect(await disassemble(new Uint8Array(4).fill(0x90), { address: 0n, codeSize: 64, count: 2 })).toHaveLength(2)
  })

  test('wrong arguments are refused', async () => {
    const code = 'ERR_KVM_INVALID_ARGUMENT'
    const bytes = new Uint8Array(1)
    await expect(disassemble(bytes, { address: 0n, codeSize: 8 as never })).rejects.toMatchObject({ code })
    await expect(disassemble(bytes, { address: -1n, codeSize: 64 })).rejects.toMatchObject({ code })
    await expect(disassemble([1] as never, { address: 0n, codeSize: 64 })).rejects.toMatchObject({ code })
  })
})
