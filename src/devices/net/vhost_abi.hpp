// The kernel's <linux/vhost.h>, without the legacy part of an included header: that part is valid C, but not C++.
#pragma once

#define VIRTIO_RING_NO_LEGACY
#include <linux/vhost.h>
