// @ts-check
// Guests that are no Linux, from Debian's packages: a hypervisor, a memory test, UEFI firmware.
// The packages come through the lab's cache. What starts the guests must have run `bareGuestSteps` first; the lab does.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { unpackedPackage } from '../lab/packages.mjs'

const XEN_VERSION = '4.17-amd64'
const xen = unpackedPackage(`xen-hypervisor-${XEN_VERSION}`)
const memtest = unpackedPackage('memtest86+')
const ovmf = unpackedPackage('ovmf')

export const bareGuestSteps = [xen, memtest, ovmf]

/** Xen's Multiboot image: an ELF file, which the package has compressed. @public */
export const xenImage = () => gunzipSync(readFileSync(join(xen.path(), `boot/xen-${XEN_VERSION}.gz`)))

/** Memtest86+ as a bzImage. @public */
export const memtestPath = () => join(memtest.path(), 'boot/memtest86+x64.bin')

/** The firmware with its variables behind it, 2 MiB. @public */
export const ovmfPath = () => join(ovmf.path(), 'usr/share/ovmf/OVMF.fd')
