/** Plain data on one line. What a terminal would obey is escaped. */
export function toJson(value: unknown): string {
  const plain = (_key: string, value: unknown) => {
    if (typeof value === 'bigint') return `0x${value.toString(16)}`
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
  }
  const escape = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(value, plain).replaceAll(/[\x7f-\x9f\u2028\u2029]/g, escape)
}
