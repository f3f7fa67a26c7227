import { subscribe } from 'node:diagnostics_channel'
import { describeExit, EXIT_CHANNEL, type Exit, type ExitMessage } from '../index.js'

/** An exit, as a trace shows it. */
export const traceLine = (vcpu: number, exit: Exit): string => `vcpu ${vcpu}: ${describeExit(exit)}`

/** From now on every exit of every vCPU of this process is printed with `print`, a line each. */
export function traceExits(print: (line: string) => void): void {
  subscribe(EXIT_CHANNEL, (message) => {
    const { vcpu, exit } = message as ExitMessage
    print(traceLine(vcpu, exit))
  })
}
