#!/usr/bin/env python3
"""Compares the figures of two runs of tools/dev bench: status 1 where a row got worse by more than its noise.

compare.py REFERENCE NOW [MOVED]    two files as table.py writes them; MOVED gets a line a row outside its noise, as JSON,
                                    for blame.py, and is made where there are any

Where the host's kernel is another one, its own costs are others too: then only what rvvmm adds to the floor beside it is
compared, where there is one, with more room.
"""
import json
import sys

from table import EXITS, NAMES, shown

# Rows of these may be nothing, or little of what was run for them: so much more is none either.
LEAST = {"per MiB": 0.5, "per operation": 0.5, "ns/page": 10}
FLOOR = "floor-aia"
OTHER_KERNEL_NOISE = 3


class BadFile(Exception):
    """The text says which one, and what is wrong."""


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            run = json.load(file)
        rows = {(row["section"], row["row"], row["unit"]): row for row in run["rows"]}
        for row in rows.values():
            if row["values"].get("rvvmm") is not None:
                _ = row["noise"] + row["values"]["rvvmm"]
        _ = run["host"].split() + run["commit"].split()
        return run["host"], run["commit"], rows
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFile(f"{path}: no figures of tools/dev bench; make it by --record") from error


def title(key):
    section, row, _ = key
    return f"{section}: {row if row.endswith(EXITS) else NAMES.get(row, row)}"


def above_floor(row):
    values = row["values"]
    return values["rvvmm"] - values[FLOOR] if "rvvmm" in values and FLOOR in values else None


def room_of(row, times=1):
    """By how much it may differ and be the same."""
    return max(row["values"]["rvvmm"] * row["noise"] * times / 100, LEAST.get(row["unit"], 0))


def compare(reference, now):
    """Of two (host, commit, rows): lines to print, whether nothing got worse, and the keys of the rows that moved."""
    host, commit, before = reference
    host_now, _, after = now
    kernel, kernel_now = host.split(";")[0], host_now.split(";")[0]
    same = kernel == kernel_now
    value_of = (lambda row: row["values"].get("rvvmm")) if same else above_floor
    measured = {section for section, _, _ in after}
    lines, worse, better, compared, moved = [], 0, 0, 0, []
    if not same:
        lines.append(f"{kernel_now} is not the {kernel} of the reference: what rvvmm adds to the floor is compared")
    for key, row in before.items():
        was = value_of(row)
        if was is None or key[0] not in measured:
            continue
        unit = key[2]
        new = value_of(after[key]) if key in after else None
        if new is None:
            worse += 1
            moved.append(key)
            lines.append(f"gone: {title(key)}: was {shown(was)} {unit} at {commit}, has no figure now")
            continue
        compared += 1
        times = 1 if same else OTHER_KERNEL_NOISE
        if abs(new - was) <= room_of(row, times):
            continue
        moved.append(key)
        by = f": {(new - was) / was * 100:+.1f} %" if was > 0 else ""
        what = f"{title(key)}: was {shown(was)} {unit} at {commit}, is {shown(new)}{by}, noise {row['noise'] * times} %"
        if new > was:
            worse += 1
            lines.append(f"worse: {what}")
        else:
            better += 1
            lines.append(f"better: {what}")
    if compared == 0:
        lines.append("nothing to compare: the reference has none of these rows")
    else:
        lines.append(f"{compared} rows compared with {commit}: {worse} worse, {better} better")
    if better and not worse:
        lines.append("renew the reference by --record, so that these are kept")
    return lines, worse == 0 and compared > 0, moved


def main():
    if len(sys.argv) not in (3, 4):
        print("usage: compare.py REFERENCE NOW [MOVED]", file=sys.stderr)
        return 2
    try:
        lines, good, moved = compare(load(sys.argv[1]), load(sys.argv[2]))
    except BadFile as problem:
        print(f"compare.py: {problem}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    if moved and len(sys.argv) == 4:
        with open(sys.argv[3], "w", encoding="utf-8") as file:
            file.writelines(json.dumps(key) + "\n" for key in moved)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
