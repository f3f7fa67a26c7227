// A package that brings no types: what the scripts use of it.
declare module 'prebuildify' {
  export default function prebuildify(options: object, done: (error?: Error) => void): void
}
