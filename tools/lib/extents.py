#!/usr/bin/env python3
"""Where a sparse file has data: lines "OFFSET COUNT" in MiB. 9p does not tell, and to read holes takes long there."""

import os
import sys

MIB = 1 << 20

with open(sys.argv[1], "rb") as file:
    size = os.fstat(file.fileno()).st_size
    used = set()
    end = 0
    while end < size:
        try:
            begin = os.lseek(file.fileno(), end, os.SEEK_DATA)
        except OSError:  # ENXIO: no data behind this
            break
        end = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
        used.update(range(begin // MIB, (end - 1) // MIB + 1))

for first in sorted(block for block in used if block - 1 not in used):
    count = 1
    while first + count in used:
        count += 1
    print(first, count)
