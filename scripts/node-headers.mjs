// @ts-check
// Where node-gyp and its kin find Node's headers: beside the node binary, where most installations have them, which saves a
// download. Any version will do, since Node-API is stable. Undefined leaves the search to them.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

const prefix = dirname(dirname(process.execPath))
export const nodedir = existsSync(join(prefix, 'include/node/node_api.h')) ? prefix : undefined
