// @ts-check
// Runs what is not done yet, with a progress display on a terminal, and a line for each step elsewhere.

/** @typedef {import('./packages.mjs').Step} Step */

/** @param {readonly Step[]} steps */
export async function prepare(steps) {
  if (steps.every((step) => step.isDone())) return
  if (!process.stderr.isTTY) {
    for (const step of steps) {
      if (step.isDone()) continue
      process.stderr.write(`lab: ${step.title}\n`)
      await step.run()
    }
    return
  }
  // Loaded only here: the usual start has nothing to show.
  const { Listr, ListrLogger, ProcessOutput } = await import('listr2')
  /** @type {import('listr2').ListrLogger<import('listr2').ListrDefaultRendererLogLevels>} */
  const logger = new ListrLogger({ useIcons: true, processOutput: new ProcessOutput(process.stderr, process.stderr) })
  const tasks = steps.map((step) => ({ title: step.title, skip: () => step.isDone(), task: () => step.run() }))
  await new Listr(tasks, {
    renderer: 'default',
    rendererOptions: { logger, showSkipMessage: false },
  }).run()
}
