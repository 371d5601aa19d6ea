#!/usr/bin/env python3
"""Tests of plots.py: each bar is as long as its value, and where it is not it says so; nothing from elsewhere in the page."""
import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import plots

LSR = {"section": "exit", "row": "lsr_read", "unit": "ns", "bound": 4000, "noise": 1,
       "values": {"floor-aia": 2000, "rvvmm": 3000, "qemu": 4000}}
START = {"section": "start", "row": "64 MiB, 1 vCPU", "unit": "CPU ms", "bound": 2.6, "noise": 2,
         "values": {"floor": 1.3, "rvvmm": 2.7, "qemu": 133.1}}
READ = {"section": "blk", "row": "seq-read-1M", "unit": "ns/KiB", "bound": None, "noise": 3,
        "values": {"rvvmm": 700, "rvvmm-mmio": 350, "qemu-uring": 1400}}
EXITS = {"section": "blk", "row": "sequential read, 1 MiB:  exits to user space", "unit": "per MiB", "bound": None,
         "noise": 3, "values": {"rvvmm": 0}}


class PlotsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_with(self, text):
        """Status, what was said, and the page, if there is one."""
        figures, page = self.folder / "figures.json", self.folder / "page.html"
        figures.write_text(text)
        return self.run_files(figures, page), page.read_text() if page.exists() else None

    def run_files(self, *paths):
        out = io.StringIO()
        with mock.patch.object(sys, "argv", ["plots.py", *map(str, paths)]), contextlib.redirect_stderr(out):
            status = plots.main()
        return status, out.getvalue()

    def page_of(self, *rows, host="Linux 7.2.12; QEMU 10"):
        (status, said), page = self.run_with(json.dumps({"host": host, "commit": "febdfd4", "rows": rows}))
        self.assertEqual((status, said), (0, ""))
        return page, ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))

    def widths(self, tree):
        return [bar.get("width") for bar in tree.iter("rect") if not bar.get("class")]

    def test_a_bar_is_as_long_as_its_value_and_the_bound_is_where_it_would_end(self):
        _, tree = self.page_of(LSR)
        self.assertEqual(self.widths(tree), ["36.00%", "54.00%", "72.00%"])
        self.assertEqual([text.text for text in tree.iter("text")], ["2000", "3000", "4000"])
        self.assertEqual([line.get("x1") for line in tree.iter("line")], ["72.00%"])
        self.assertEqual([text.text for text in tree.iter("figcaption")], ["UART LSR read (MMIO), ns; bound 4000"])

    def test_each_bar_has_a_colour_which_the_legend_has(self):
        _, tree = self.page_of(LSR)
        colours = [bar.get("fill") for bar in tree.iter("rect")]
        self.assertEqual(len(set(colours)), 3)
        keys = {key.get("style").removeprefix("background:"): key.tail for key in tree.iter("span")}
        self.assertEqual([keys[colour] for colour in colours], ["floor, AIA", "rvvmm", "QEMU"])

    def test_a_peer_that_is_far_off_is_cut_and_keeps_its_value(self):
        _, tree = self.page_of(START)
        self.assertEqual(self.widths(tree)[-1], "72.00%")
        self.assertEqual(self.widths(tree)[1], "28.80%")
        self.assertEqual(len([bar for bar in tree.iter("rect") if bar.get("class") == "gap"]), 2)
        self.assertIn("133.1", [text.text for text in tree.iter("text")])

    def test_a_bound_that_is_not_kept_is_told(self):
        page, tree = self.page_of(START, LSR)
        self.assertEqual(page.count("missed"), 1)
        self.assertEqual([line.get("x1") for line in tree.iter("line")], ["27.73%", "72.00%"])

    def test_there_is_a_part_for_each_section_with_its_own_columns(self):
        page, tree = self.page_of(START, LSR, READ, EXITS)
        self.assertEqual([title.text for title in tree.iter("h2")], ["start", "exit", "blk"])
        self.assertEqual(len(list(tree.iter("svg"))), 3)
        self.assertIn("rvvmm, mmio", page)
        self.assertNotIn("rvvmm, --profile", page)

    def test_a_row_that_is_nothing_has_no_plot(self):
        nothing = {**LSR, "values": {"rvvmm": 0, "qemu": -0.1}}
        self.assertEqual(len(list(self.page_of(nothing)[1].iter("svg"))), 0)
        self.assertEqual(self.widths(self.page_of({**LSR, "values": {"rvvmm": 4000, "qemu": -1}})[1]), ["72.00%", "0.00%"])

    def test_it_needs_nothing_else_and_names_are_words_only(self):
        page, tree = self.page_of({**LSR, "row": "<script>&"}, host='"><img>')
        for outside in ("<script", "<img", "http:", "https:", "src=", "@import", "url("):
            self.assertNotIn(outside, page)
        self.assertIn("<script>&, ns; bound 4000", [text.text for text in tree.iter("figcaption")])

    def test_a_bad_file_is_named(self):
        for text in ("", "[]", '{"host": 1, "commit": "y", "rows": []}'):
            (status, said), page = self.run_with(text)
            self.assertEqual((status, page), (2, None))
            self.assertIn("figures.json: no figures of tools/dev bench", said)
        status, said = self.run_files(self.folder / "none.json", self.folder / "page.html")
        self.assertEqual((status, "none.json: No such file" in said), (2, True))
        good = self.folder / "good.json"
        good.write_text(json.dumps({"host": "x", "commit": "y", "rows": [LSR]}))
        status, said = self.run_files(good, self.folder / "none" / "page.html")
        self.assertEqual((status, "page.html: No such file" in said), (2, True))


if __name__ == "__main__":
    unittest.main()
