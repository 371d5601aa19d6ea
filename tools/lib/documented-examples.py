#!/usr/bin/env python3
"""documented-examples.py list DOCUMENT...: prints the names of the files that the documents' examples make or change.
documented-examples.py make ROOT OUT DOCUMENT...: writes these files to OUT, the changed ones from those in ROOT.

Each fenced block of `cpp` or `diff` in a DOCUMENT belongs to the file named last before it as **`path`**. `cpp` is all
of a new file. `diff` is a change: lines that begin with a blank are in the file, in this order and only once; lines
that begin with + come between them; @@ begins another place. A tree that has the change already is left as it is.
"""

import re
import sys
from pathlib import Path

NAME = re.compile(r"\*\*`([^`]+)`\*\*")
FENCE = re.compile(r"( *)```(\w*)$")


class Mistake(Exception):
    """A document that cannot be followed; the text names it."""


def blocks(document):
    """Yields place, file name, kind and lines of each block that is under test."""
    name = fence = None
    for number, line in enumerate(Path(document).read_text().splitlines(), 1):
        mark = FENCE.match(line)
        if fence is None and mark:
            fence, lines, place = mark, [], f"{document}:{number}"
        elif fence is None:
            name = (NAME.findall(line) or [name])[-1]
        elif mark:
            kind = fence[2]
            if kind in ("cpp", "diff"):
                if name is None:
                    raise Mistake(f"{place}: no **`path`** before this block says which file it belongs to")
                yield place, name, kind, lines
                name = None
            fence = None
        else:
            lines.append(line.removeprefix(fence[1]))
    if fence is not None:
        raise Mistake(f"{place}: this block has no end")


def hunks(place, lines):
    """Yields, of each part of a change, the lines it looks for and the lines that take their place."""
    old, new = [], []
    for line in [*lines, "@@"]:
        if line == "@@":
            if old == new and new:
                raise Mistake(f"{place}: a part of this change adds nothing")
            if new:
                yield old, new
            old, new = [], []
        elif line[:1] in ("", " ", "+"):
            new.append(line[1:])
            if line[:1] != "+":
                old.append(line[1:])
        else:
            raise Mistake(f"{place}: a line of a change begins with a blank, + or @@, not as: {line}")


def positions(text, lines):
    """Where `lines` are in `text`, one after the other."""
    count = len(lines)
    return [at for at in range(len(text) - count + 1) if text[at : at + count] == lines]


def change(place, name, text, lines):
    """`text` with the change that `lines` describe."""
    for old, new in hunks(place, lines):
        if positions(text, new):
            continue
        found = positions(text, old) if old else []
        if len(found) != 1:
            wanted = old[0] if old else "nothing"
            raise Mistake(f"{place}: {name} has these lines {len(found)} times and should have them once: {wanted} ...")
        text[found[0] : found[0] + len(old)] = new
    return text


def make(root, out, documents):
    made = {}
    for document in documents:
        for place, name, kind, lines in blocks(document):
            if kind == "diff":
                if name not in made and not (root / name).is_file():
                    raise Mistake(f"{place}: there is no {name} to change")
                lines = change(place, name, made.get(name) or (root / name).read_text().splitlines(), lines)
            made[name] = lines
    for name, lines in made.items():
        file = out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n")


def main(words):
    if words[:1] == ["list"] and words[1:]:
        found = [{name for _, name, _, _ in blocks(document)} for document in words[1:]]
        for document, names in zip(words[1:], found):
            if not names:
                raise Mistake(f"{document}: no block of cpp or diff in it: nothing to test")
        print("\n".join(sorted(set().union(*found))))
    elif words[:1] == ["make"] and words[3:]:
        make(Path(words[1]), Path(words[2]), words[3:])
    else:
        sys.exit(__doc__)


try:
    main(sys.argv[1:])
except Mistake as mistake:
    sys.exit(f"documented-examples.py: {mistake}")
