/**
 * Something to signal for whoever waits for it, which may be the kernel: an eventfd. Who has made it knows what else it is; all
 * others pass it on, so that the kernel's own devices hear of doorbells and interrupt guests without JavaScript.
 */
export interface HostEvent {
  signal(): void
}
