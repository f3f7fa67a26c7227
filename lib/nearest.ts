// Longer than any name; comparing takes time by the length.
const LONGEST = 64

/** The names that were probably meant, the likeliest first: few edits away, no more than a third of their letters; in either case. */
export function nearest(typed: string, names: readonly string[]): string[] {
  if (typed.length > LONGEST) return []
  return names
    .map((name) => ({ name, edits: editDistance(typed.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, edits }) => edits <= Math.max(1, name.length / 3))
    .sort((a, b) => a.edits - b.edits)
    .map(({ name }) => name)
}

const at = (cells: readonly number[], place: number) => cells[place] ?? Infinity

/** Levenshtein's distance, one row of the table at a time; two letters in the wrong order are one edit. */
function editDistance(a: string, b: string): number {
  const width = b.length + 1
  let before: number[] = []
  let row = Array.from({ length: width }, (_, column) => column)
  for (let index = 0; index < a.length; index++) {
    const next = [index + 1]
    for (let column = 1; column < width; column++) {
      const swapped =
        a[index] === b[column - 2] && a[index - 1] === b[column - 1] ? at(before, column - 2) + 1 : Infinity
      const replaced = at(row, column - 1) + (a[index] === b[column - 1] ? 0 : 1)
      next.push(Math.min(swapped, replaced, at(row, column) + 1, at(next, column - 1) + 1))
    }
    before = row
    row = next
  }
  return at(row, b.length)
}
