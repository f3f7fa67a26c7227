/**
 * Loaded into an example's process by `node-kvm example --trace`: prints every exit of every vCPU to standard error.
 */
import { traceExits } from './trace-exits.js'

traceExits()
