// @ts-check
// How benchmarks measure.
//
// A round measures every case once, so that whatever else the host does meets all of them alike. A case's figure in a
// round is the median of many short slices: one that the host's scheduler interrupted is an outlier and does not count.
// `median` is the median over the rounds; `ratio` is the median of the rounds' own ratios, each made of two neighbours
// in time.

/**
 * One thing that a benchmark measures.
 * @typedef {object} Case
 * @property {string} name
 * @property {string | string[]} against The case that its ratio refers to; its own name for a floor. Of several, in each
 *   round the one with the lowest figure.
 * @property {string} unit
 * @property {number} [target] The ratio to reach.
 * @property {number} [limit] The figure to reach, in its unit.
 * @property {() => number | Promise<number>} measure One round's figure.
 *
 * @typedef {{ bench: string, case: string, minimum: number, median: number, unit: string, ratio: number, against: string }} Row
 */

/** @param {string} bench @param {Case[]} cases @param {number} rounds @returns {Promise<Row[]>} */
export async function measureRounds(bench, cases, rounds) {
  /** Per case, one figure a round. @type {Map<string, number[]>} */
  const figures = new Map(cases.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    // Back and forth, so that no case always comes after the same one.
    for (const { name, measure } of round % 2 === 0 ? cases : cases.toReversed())
      figures.get(name)?.push(await measure())
  }
  return cases.map(({ name, against, unit }) => {
    const own = figures.get(name) ?? []
    const others = [against].flat().map((other) => figures.get(other) ?? [])
    const ratios = own.map((figure, round) => figure / Math.min(...others.map((other) => other[round] ?? NaN)))
    const names = [against].flat().join(' or ')
    const figure = { minimum: digits(Math.min(...own)), median: digits(median(own)), unit }
    return { bench, case: name, ...figure, ratio: digits(median(ratios)), against: names }
  })
}

/** Times `slices` calls of `work` and returns the median in nanoseconds. @param {number} slices @param {() => void} work */
export function medianTime(slices, work) {
  const times = Array.from({ length: slices }, () => {
    const start = process.hrtime.bigint()
    work()
    return Number(process.hrtime.bigint() - start)
  })
  return median(times)
}

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2
}

/** @param {number[]} values */
export function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Four digits mean something; more are noise. @param {number} value */
function digits(value) {
  return Number(value.toPrecision(4))
}
