// What both kinds of rings have in common (virtio 1.2, 2.7.5 and 2.8.13).
export const DESCRIPTOR_SIZE = 16
export const DESC_F_NEXT = 1
export const DESC_F_WRITE = 2
export const DESC_F_INDIRECT = 4
