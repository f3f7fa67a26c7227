// @ts-check

/** The lab itself could not do its work: the message says why and, where one is known, what helps. */
export class LabError extends Error {
  name = 'LabError'
}
