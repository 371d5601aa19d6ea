#!/usr/bin/env python3
"""Which commit moved a figure: says what is to be measured next, or what came out.

blame.py MOVED REFERENCE COMMITS MEASURED

MOVED is of compare.py, REFERENCE what it compared with. COMMITS has a line "HASH SUBJECT" each, from the commit of the
reference to the present one. MEASURED is a folder: HASH.json has the figures of a commit, HASH.failed says that it
has none. Prints "measure HASH", or a line for each commit that moved a row.

The commits are halved, where the ends of a half differ by more than the row's noise, till one is left. So several
commits that moved the same row are all found, and so are those that took it back and forth between ends that differ.
"""
import json
import sys
from functools import partial
from pathlib import Path

from compare import BadFile, load, room_of, title
from table import shown


class Wanted(Exception):
    """A commit that has to be measured first."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


def steps(value_of, room, low, high):
    """[(a, b)]: the row moved between these two, each pair as close as can be told. `value_of(number)` is None where a
    commit has no figure, and raises Wanted where that is not known, unless `measured`, which is None then too."""
    before, after = value_of(low), value_of(high)
    if abs(after - before) <= room:
        return []
    middle = (low + high) // 2
    # The nearest to the middle that has a figure.
    for number in sorted(range(low + 1, high), key=lambda n: (abs(n - middle), n)):
        if value_of(number) is not None:
            # Where it is many small ones, they are together one.
            return steps(value_of, room, low, number) + steps(value_of, room, number, high) or [(low, high)]
    return [(low, high)]


def told(name, unit, commits, value_of, low, high):
    """The line about one of them."""
    what = f"{name}: {shown(value_of(low))} -> {shown(value_of(high))}{' ' + unit if unit else ''}"
    if high == low + 1:
        return [f"{what} by {commits[high]}"]
    without = all(value_of(number, measured=True) is None for number in range(low + 1, high))
    why = "by one of these, not all of which could be measured:" if without else "by these together, each within the noise:"
    lines = [f"{what} {why}"]
    for number in range(low + 1, high + 1):
        # Not all of them were needed.
        value = value_of(number, measured=True)
        lines.append(f"  {commits[number]}" + ("" if value is None else f": {shown(value)}"))
    return lines


def blame(key, row, commits, value_of):
    """Lines about one row."""
    name, unit, last = title(key), key[2], len(commits) - 1
    for end, which in ((0, "the reference's commit"), (last, "the last commit")):
        if value_of(end) is None:
            return [f"{name}: cannot be told: {which}, {commits[end]}, has no figure"]
    found = steps(value_of, room_of(row), 0, last)
    if not found:
        return [f"{name}: not by these commits: {shown(value_of(0))} {unit} at {commits[0]}, measured here and now, and "
                f"{shown(value_of(last))} at the last one, which is within the noise; the host's kernel or the tools are others"]
    return [line for low, high in found for line in told(name, unit, commits, value_of, low, high)]


def figures_in(folder, commits):
    """value_of(key, number) of what was measured."""
    runs = {}

    def value_of(key, number, measured=False):
        if number not in runs:
            path = folder / f"{commits[number].split()[0]}.json"
            if path.exists():
                runs[number] = load(path)[2]
            elif path.with_suffix(".failed").exists():
                runs[number] = {}
            elif measured:
                return None
            else:
                raise Wanted(number)
        return runs[number].get(key, {"values": {}})["values"].get("rvvmm")

    return value_of


def main():
    if len(sys.argv) != 5:
        print("usage: blame.py MOVED REFERENCE COMMITS MEASURED", file=sys.stderr)
        return 2
    moved = [tuple(json.loads(line)) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    commits = Path(sys.argv[3]).read_text(encoding="utf-8").splitlines()
    try:
        reference = load(sys.argv[2])[2]
        value_of = figures_in(Path(sys.argv[4]), commits)
        lines = []
        for key in moved:
            lines += blame(key, reference[key], commits, partial(value_of, key))
    except Wanted as wanted:
        lines = [f"measure {commits[wanted.number].split()[0]}"]
    except BadFile as problem:
        print(f"blame.py: {problem}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
