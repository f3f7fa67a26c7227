import * as R from './rtc-registers.js'

const MS_PER_SECOND = 1000
const NOON = 12
// How registers hold numbers depends on register B.
type Format = number

const isBinary = (format: Format) => (format & R.B_BINARY) !== 0

function encode(value: number, format: Format): number {
  return isBinary(format) ? value & 0xff : (((Math.floor(value / 10) % 10) << 4) | (value % 10)) & 0xff
}

function decode(byte: number, format: Format): number {
  return isBinary(format) ? byte : (byte >> 4) * 10 + (byte & 0x0f)
}

function encodeHours(hours: number, format: Format): number {
  if ((format & R.B_24_HOURS) !== 0) return encode(hours, format)
  return encode(hours % NOON === 0 ? NOON : hours % NOON, format) | (hours >= NOON ? R.HOURS_PM : 0)
}

function decodeHours(byte: number, format: Format): number {
  if ((format & R.B_24_HOURS) !== 0) return decode(byte, format)
  return (decode(byte & ~R.HOURS_PM, format) % NOON) + ((byte & R.HOURS_PM) !== 0 ? NOON : 0)
}

/** Writes a time into its registers. `time` is in ms since 1970. */
export function writeTime(cmos: Uint8Array, time: number, format: Format): void {
  const date = new Date(time)
  cmos[R.SECONDS] = encode(date.getUTCSeconds(), format)
  cmos[R.MINUTES] = encode(date.getUTCMinutes(), format)
  cmos[R.HOURS] = encodeHours(date.getUTCHours(), format)
  cmos[R.WEEKDAY] = encode(date.getUTCDay() + 1, format)
  cmos[R.DAY] = encode(date.getUTCDate(), format)
  cmos[R.MONTH] = encode(date.getUTCMonth() + 1, format)
  cmos[R.YEAR] = encode(date.getUTCFullYear() % 100, format)
  cmos[R.CENTURY] = encode(Math.floor(date.getUTCFullYear() / 100), format)
}

/** The time that the registers hold, in ms since 1970. What is no date counts on: month 13 is January. */
export function readTime(cmos: Uint8Array, format: Format): number {
  const value = (register: number) => decode(cmos[register] ?? 0, format)
  const year = value(R.CENTURY) * 100 + value(R.YEAR)
  const hours = decodeHours(cmos[R.HOURS] ?? 0, format)
  // Date.UTC() takes the years 0 to 99 for 1900 to 1999.
  const date = new Date(Date.UTC(2000, value(R.MONTH) - 1, value(R.DAY), hours, value(R.MINUTES), value(R.SECONDS)))
  return date.setUTCFullYear(date.getUTCFullYear() - 2000 + year)
}

/** Whether the alarm registers match a time. */
export function alarmMatches(cmos: Uint8Array, time: number, format: Format): boolean {
  const date = new Date(time)
  const matches = (register: number, value: number) => {
    const alarm = cmos[register] ?? 0
    return (alarm & R.ALARM_ANY) === R.ALARM_ANY || alarm === value
  }
  return (
    matches(R.SECONDS_ALARM, encode(date.getUTCSeconds(), format)) &&
    matches(R.MINUTES_ALARM, encode(date.getUTCMinutes(), format)) &&
    matches(R.HOURS_ALARM, encodeHours(date.getUTCHours(), format))
  )
}

export function wholeSecond(time: number): number {
  return Math.floor(time / MS_PER_SECOND)
}
