#!/usr/bin/env python3
"""text-order.py MAP LOG: the order of code for the linker, on stdout.

LOG is what QEMU's `-d exec` says of a run, MAP the linker's map of the program that ran. Prints a script for ld's
--section-ordering-file: the sections that were executed, in the order of their first instruction.
"""
import bisect
import re
import sys

ENTRY = re.compile(r"^ (\.text\S*)\s+(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s+(\S+)$")
ARCHIVE_MEMBER = re.compile(r"^(?:.*/)?([^/]+\.a)\((.+)\)$")


def code_sections(map_lines):
    """(address, size, section, file) of each input section in .text, by address."""
    found, inside, held = [], False, ""
    for line in map_lines:
        line = line.rstrip("\n")
        if re.match(r"^\S", line):
            inside = line.startswith(".text")
        if not inside:
            continue
        # A long name has its address on the next line.
        if re.match(r"^ \.text\S*$", line):
            held = line
            continue
        match = ENTRY.match(held + line)
        held = ""
        if match and int(match[3], 16) > 0:
            found.append((int(match[2], 16), int(match[3], 16), match[1], match[4]))
    return sorted(found)


def executed_addresses(log_lines):
    for line in log_lines:
        match = re.match(r"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/", line)
        if match:
            yield int(match[1], 16)


def pattern(section, file):
    """A function's own section is found by name wherever the linker took it from; C libraries have one per file."""
    if section != ".text":
        return f"*({section})"
    member = ARCHIVE_MEMBER.match(file)
    return f"*{member[1]}:{member[2]}(.text)" if member else f"*{file.rsplit('/', 1)[-1]}(.text)"


def main():
    with open(sys.argv[1]) as map_file:
        sections = code_sections(map_file)
    starts = [address for address, *_ in sections]
    patterns = {}
    with open(sys.argv[2]) as log:
        for address in executed_addresses(log):
            at = bisect.bisect_right(starts, address) - 1
            if at >= 0 and address < starts[at] + sections[at][1]:
                patterns.setdefault(pattern(*sections[at][2:]))
    if not patterns:
        sys.exit("text-order: nothing in the log was executed in a section of the map")
    print("/* Made by tools/dev bench --text-order: what a start executes, so that it lies together. */")
    print(".text : {")
    for one in patterns:
        print(f"  {one}")
    print("}")


main()
