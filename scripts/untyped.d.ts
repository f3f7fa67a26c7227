// Packages that bring no types: what the scripts use of them.
declare module 'node-gyp-build' {
  export default function load(directory: string): unknown
}
declare module 'prebuildify' {
  export default function prebuildify(options: object, done: (error?: Error) => void): void
}
