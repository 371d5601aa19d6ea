// The kernel's <linux/vhost.h>, without the part of what it includes that is C and no C++.
#pragma once

#define VIRTIO_RING_NO_LEGACY
#include <linux/vhost.h>
