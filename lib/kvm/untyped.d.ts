// A package that brings no types: what binding.ts uses of it.
declare module 'node-gyp-build' {
  export default function load(packageRoot: string): unknown
}
