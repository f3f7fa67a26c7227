// @ts-check

/** One shell word that means exactly this text, whatever is in it. @param {string} text */
export const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`

/** A shell script that sets variables. @param {Record<string, string | number>} variables */
export const assignments = (variables) =>
  Object.entries(variables)
    .map(([name, value]) => `${name}=${quote(String(value))}\n`)
    .join('')
