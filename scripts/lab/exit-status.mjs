// @ts-check
// The lab's exit status is the command's own, but for these. They are what timeout(1), docker run and a shell use.

import { constants } from 'node:os'

export const USAGE = 2
export const TIMED_OUT = 124
export const LAB_FAILED = 125

/** @param {NodeJS.Signals} signal */
export const endedBy = (signal) => 128 + constants.signals[signal]
