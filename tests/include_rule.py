#!/usr/bin/env python3
"""The include rule (docs/architecture.md): fails if a room of src includes a header that its row does not allow."""

import pathlib
import re
import sys

# A room is a folder of src. It may include its own headers and those of the rooms in its row. All of these have rows
# above its own, so no two rooms need each other.
ROOMS = {
    "base": "",
    "kvm": "base",
    "kvm/riscv64": "base kvm",
    "sbi": "base",
    "observe": "base",
    "devices": "base",
    "devices/platform": "base devices",
    "devices/pci": "base devices",
    "devices/virtio": "base devices devices/pci",
    "devices/block": "base devices/virtio",
    "devices/net": "base devices/virtio",
    "devices/console": "base devices/virtio",
    "devices/input": "base devices/virtio",
    "devices/rng": "base devices/virtio",
    "vmm/host": "base",
    "vmm/options": "base observe devices/block devices/net vmm/host",
    "vmm/boot": "base devices vmm/host vmm/options",
    "vmm/console": "base vmm/host vmm/options",
    "vmm/harts": "base sbi vmm/host",
    "vmm/watch": "base observe vmm/console vmm/harts vmm/host vmm/options",
    "vmm/machine": "base observe sbi devices devices/platform devices/pci devices/virtio devices/block devices/net"
                   " devices/console devices/input devices/rng vmm/boot vmm/console vmm/harts vmm/host vmm/options"
                   " vmm/watch",
    "vmm/commands": "base observe sbi vmm/host vmm/machine vmm/options",
    "vmm": "base vmm/boot vmm/commands vmm/console vmm/harts vmm/host vmm/machine vmm/options vmm/watch",
}
# Only these rooms may include KVM's header. All others stay portable and are tested without KVM.
KVM_HEADER_ROOMS = ("kvm", "kvm/riscv64")
KVM_CLASSES = "vmm/main.cpp"

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "src"


def mistakes():
    known = set()
    for room, allowed in ROOMS.items():
        known.add(room)
        for other in set(allowed.split()) - known:
            yield f"{room} may include {other}, which has a row below it or does not exist"
    for path in sorted(p for p in SOURCE.rglob("*") if p.suffix in (".hpp", ".cpp")):
        room = path.parent.relative_to(SOURCE).as_posix()
        name = f"{room}/{path.name}"
        if room not in ROOMS:
            yield f"{name}: {room} has no row here"
            continue
        may = {room, *ROOMS[room].split()}
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("#include <linux/kvm.h>") and room not in KVM_HEADER_ROOMS:
                yield f"{name}: <linux/kvm.h> belongs to kvm alone"
            include = re.match(r'#include "(.+)/[^/]+"', line)
            if not include or include[1] in may or (name == KVM_CLASSES and include[1].startswith("kvm/")):
                continue
            yield f"{name}: {line}: {room} may include {' '.join(sorted(may))} only"


found = list(mistakes())
for mistake in found:
    print(mistake)
sys.exit(1 if found else 0)
