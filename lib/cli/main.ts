#!/usr/bin/env node
/** The `node-kvm` command: starts command.ts. */

// What V8 compiles of it is kept for the next start, where Node can do that: from 22.8 on.
const { enableCompileCache } = process.getBuiltinModule('node:module') as { enableCompileCache?: () => void }
enableCompileCache?.()
await import('./command.js')
