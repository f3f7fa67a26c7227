// @ts-check
// npm start: builds everything and runs the bundled guests, here or in the lab.
import { getReady, run, runInLab, step } from './get-ready.mjs'

const where = await getReady()
const guests = ['dist/cli/main.js', 'example', '--all']
if (where !== undefined) step('Running the bundled guests')
const done = where === 'here' ? run('node', guests) : where === 'lab' && runInLab(['node', ...guests])
process.exitCode = done ? 0 : 1
