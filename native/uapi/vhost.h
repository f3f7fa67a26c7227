// The kernel's vhost interface. Of the rings only the names are wanted: the functions beside them are no C++.
#pragma once

#define VIRTIO_RING_NO_LEGACY
#include <linux/vhost.h>
