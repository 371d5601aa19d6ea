#!/usr/bin/env python3
"""needed.py ROOT KEEP: copies the shared libraries that KEEP/usr/bin/* need, and theirs, from ROOT to KEEP."""
import os
import re
import shutil
import subprocess
import sys

root, keep = sys.argv[1:3]
FOLDERS = ["usr/lib/riscv64-linux-gnu", "usr/lib", "lib/riscv64-linux-gnu", "lib"]


def needed_by(path):
    text = subprocess.run(["riscv64-linux-gnu-readelf", "-d", "-l", path], capture_output=True, text=True).stdout
    names = re.findall(r"\(NEEDED\).*\[(.+)\]", text)
    names += [os.path.basename(p) for p in re.findall(r"interpreter: (.+)\]", text)]
    return names


def find(name):
    for folder in FOLDERS:
        path = os.path.join(root, folder, name)
        if os.path.exists(path):
            return folder, path
    return None


todo = [os.path.join(keep, "usr/bin", name) for name in os.listdir(os.path.join(keep, "usr/bin"))]
done = set()
while todo:
    for name in needed_by(todo.pop()):
        if name in done:
            continue
        done.add(name)
        found = find(name)
        if found is None:
            sys.exit(f"needed.py: no {name} in {root}")
        folder, path = found
        target = os.path.join(keep, folder, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(path, target)
        if name.startswith("ld-linux"):  # the interpreter's path is /lib/NAME, and /lib is usr/lib
            shutil.copy(path, os.path.join(keep, "usr/lib", name))
        todo.append(target)
