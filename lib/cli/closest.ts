/** The name that was probably meant: the fewest edits away, and no more than a third of its letters. */
export function closest(typed: string, names: readonly string[]): string | undefined {
  const distances = names.map((name) => ({ name, edits: editDistance(typed, name) }))
  const [best] = distances.sort((a, b) => a.edits - b.edits)
  return best !== undefined && best.edits <= Math.max(1, best.name.length / 3) ? best.name : undefined
}

/** Levenshtein's distance, one row of the table at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (const [index, letter] of Array.from(a).entries()) {
    const next = [index + 1]
    for (const [column, other] of Array.from(b).entries()) {
      const replaced = (row[column] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
