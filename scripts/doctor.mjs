// @ts-check
// npm run doctor: whether guests can run on this host, and if not, what to do. It needs nothing but Node: before the first build it says what
// can be said without the addon; after that it is `node-kvm doctor`.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DEFAULT_DEVICE } from '../lib/host/device.js'
import { factsWithoutAddon, isUsable } from '../lib/host/facts.js'
import { formatFacts, paint } from '../lib/host/format.js'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const command = 'dist/cli/main.js'

if (existsSync(command) && existsSync('build/Release/node_kvm.node')) {
  const { status } = spawnSync(process.execPath, [command, 'doctor', ...process.argv.slice(2)], { stdio: 'inherit' })
  process.exitCode = status ?? 1
} else {
  const addon = { name: 'addon', ok: false, required: false, detail: 'not built yet', fix: 'npm start builds it' }
  const facts = factsWithoutAddon(DEFAULT_DEVICE, addon)
  console.log(formatFacts(facts))
  if (isUsable(facts.checks)) {
    console.log(
      `${paint('green', 'Guests can run here, as far as can be told before the addon is built.')} Then the doctor sees more.`,
    )
  } else {
    console.log(
      `${paint('red', 'Guests cannot run here.')} npm start and npm test run them in the lab instead (docs/lab.md).`,
    )
    process.exitCode = 1
  }
}
