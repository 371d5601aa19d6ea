#!/usr/bin/env python3
"""Draws the figures of tools/dev bench: one HTML page of bars, which needs nothing but itself.

plots.py FIGURES PAGE     a file as table.py writes it, and the page
"""
import collections
import html
import sys

from compare import BadFile, load
from table import DEVICES, EXITS, NAMES, PLAIN, shown

COLOURS = {
    "floor": "#9aa0a6",
    "floor-aia": "#7a8086",
    "rvvmm": "#4e79a7",
    "rvvmm-profile": "#59a14f",
    "rvvmm-mmio": "#76b7b2",
    "qemu": "#f28e2b",
    "qemu-uring": "#d37295",
}
TITLES = dict(PLAIN + DEVICES)
# Bars reach so far, in per cent of the plot's width; what is right of them is for the values.
WIDTH = 72
BAR = 18
# QEMU can be 50 times as much: then its bar is cut off, or no other one would be seen.
CUT = 2.5
STYLE = """
:root{color-scheme:light dark}
body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:90em;padding:0 1em}
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}
.rows{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(22em,100%),1fr));gap:1em 2em}
figure{margin:0}figcaption{overflow-wrap:anywhere}svg{display:block}
svg text{fill:currentColor;font:12px system-ui,sans-serif;font-variant-numeric:tabular-nums;paint-order:stroke;stroke:Canvas;
stroke-width:3px}
.key{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 1em}
.bound{stroke:currentColor;stroke-width:1.5;stroke-dasharray:4 3}.gap{fill:Canvas}
"""


def scale_of(values, bound):
    """What the longest bar that is not cut off stands for."""
    all_of = [*values.values(), *([bound] if bound is not None else [])]
    ours = [value for name, value in values.items() if not name.startswith("qemu")] + all_of[len(values):]
    return max(all_of) if not ours or max(all_of) <= CUT * max(ours) else CUT * max(ours)


def plot(values, bound, unit):
    """The bars of one row, under each other, and its bound across them."""
    scale = scale_of(values, bound)
    bars, labels = [], []
    for number, (name, value) in enumerate(values.items()):
        width = WIDTH * min(max(value, 0) / scale, 1)
        top = number * BAR + 2
        title = f"{TITLES[name]}: {shown(value)} {unit}"
        bars.append(f'<rect x="0" y="{top}" width="{width:.2f}%" height="{BAR - 4}" fill="{COLOURS[name]}">'
                    f"<title>{html.escape(title)}</title></rect>")
        if value > scale:
            bars += [f'<rect class="gap" x="{WIDTH - at}%" y="{top}" width="4" height="{BAR - 4}"/>' for at in (4, 7)]
        labels.append(f'<text x="{width:.2f}%" dx="5" y="{top + BAR - 8}">{shown(value)}</text>')
    height = len(values) * BAR
    if bound is not None:
        at = WIDTH * bound / scale
        bars.append(f'<line class="bound" x1="{at:.2f}%" x2="{at:.2f}%" y1="0" y2="{height}"/>')
    return f'<svg width="100%" height="{height}" role="img">{"".join(bars + labels)}</svg>'


def figure(key, row, columns):
    _, name, unit = key
    values = {vmm: row["values"][vmm] for vmm, _ in columns if row["values"].get(vmm) is not None}
    # Nothing to see, but in the table.
    if not values or max(values.values()) <= 0:
        return ""
    bound = row.get("bound")
    words = html.escape(NAMES.get(name, name)) + (f", {html.escape(unit)}" if unit else "")
    if bound is not None:
        missed = values.get("rvvmm", bound) >= bound
        words += f"; bound {shown(bound)}" + (" <strong>missed</strong>" if missed else "")
    return f"<figure><figcaption>{words}</figcaption>{plot(values, bound, unit)}</figure>\n"


def page(host, commit, rows):
    sections = collections.OrderedDict()
    for key, row in rows.items():
        if not key[1].endswith(EXITS):
            sections.setdefault(key[0], []).append((key, row))
    out = [f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>rvvmm: figures of {html.escape(commit)}'
           f'</title>\n<meta name="viewport" content="width=device-width"/><style>{STYLE}</style></head><body>\n'
           f"<h1>Figures of {html.escape(commit)}</h1>\n<p>{html.escape(host)}. Less is better. A dashed line is a bound; a bar "
           "that is broken would be longer.</p>\n"]
    for section, items in sections.items():
        columns = DEVICES if section in ("console", "blk", "net") else PLAIN
        there = [(vmm, title) for vmm, title in columns if any(vmm in row["values"] for _, row in items)]
        legend = "".join(f'<span class="key" style="background:{COLOURS[vmm]}"></span>{title}' for vmm, title in there)
        figures = "".join(figure(key, row, columns) for key, row in items)
        if figures:
            out.append(f'<h2>{html.escape(section)}</h2>\n<p>{legend}</p>\n<div class="rows">{figures}</div>\n')
    return "".join(out) + "</body></html>\n"


def main():
    if len(sys.argv) != 3:
        print("usage: plots.py FIGURES PAGE", file=sys.stderr)
        return 2
    try:
        text = page(*load(sys.argv[1]))
        with open(sys.argv[2], "w", encoding="utf-8") as file:
            file.write(text)
    except BadFile as problem:
        print(f"plots.py: {problem}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"plots.py: {sys.argv[2]}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
