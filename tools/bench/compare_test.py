#!/usr/bin/env python3
"""Tests of compare.py: what it calls worse, better and gone, and what its status is."""
import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import compare

LSR = {"section": "exit", "row": "lsr_read", "unit": "ns", "values": {"floor-aia": 3751, "rvvmm": 3838}, "noise": 1}
BOOT = {"section": "boot, one hart", "row": "init", "unit": "ms", "values": {"rvvmm": 766.3, "qemu": 1008}, "noise": 1}
READ = {"section": "blk", "row": "x:  exits to user space", "unit": "per operation", "values": {"rvvmm": 0}, "noise": 3}
KERNEL = "Linux 7.2.12"


def changed(row, **values):
    return {**row, "values": {**row["values"], **values}}


class CompareTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_with(self, before, after, kernel=KERNEL):
        """Status and output."""
        paths = [self.folder / "before.json", self.folder / "after.json"]
        for path, host, rows in zip(paths, (KERNEL, kernel), (before, after)):
            path.write_text(json.dumps({"host": f"{host}; QEMU 10", "commit": "febdfd4", "rows": rows}))
        return self.run_files(*paths)

    def run_files(self, *paths):
        out = io.StringIO()
        arguments = ["compare.py", *map(str, paths)]
        with mock.patch.object(sys, "argv", arguments), contextlib.redirect_stdout(out):
            with contextlib.redirect_stderr(out):
                status = compare.main()
        return status, out.getvalue()

    def test_the_same_is_good(self):
        status, out = self.run_with([LSR, BOOT, READ], [LSR, BOOT, READ])
        self.assertEqual(status, 0)
        self.assertEqual(out, "3 rows compared with febdfd4: 0 worse, 0 better\n")

    def test_what_got_slower_is_named_with_how_much_and_since_when(self):
        status, out = self.run_with([LSR, BOOT], [changed(LSR, rvvmm=4100), BOOT])
        self.assertEqual(status, 1)
        self.assertIn("worse: exit: UART LSR read (MMIO): was 3838 ns at febdfd4, is 4100: +6.8 %", out)
        self.assertNotIn("boot", out)

    def test_each_row_has_its_own_noise(self):
        self.assertEqual(self.run_with([LSR], [changed(LSR, rvvmm=3876)])[0], 0)
        self.assertEqual(self.run_with([LSR], [changed(LSR, rvvmm=3877)])[0], 1)
        self.assertEqual(self.run_with([{**LSR, "noise": 10}], [changed(LSR, rvvmm=4200)])[0], 0)

    def test_what_got_faster_is_told_and_good(self):
        status, out = self.run_with([LSR], [changed(LSR, rvvmm=3700)])
        self.assertEqual(status, 0)
        self.assertIn("better: exit: UART LSR read (MMIO): was 3838 ns at febdfd4, is 3700: -3.6 %", out)
        self.assertIn("--record", out)

    def test_a_row_without_a_figure_is_worse_but_a_section_that_was_left_out_is_not(self):
        other = {**LSR, "row": "thr_write"}
        status, out = self.run_with([LSR, other, BOOT], [other])
        self.assertEqual(status, 1)
        self.assertIn("gone: exit: UART LSR read (MMIO)", out)
        self.assertEqual(self.run_with([other, BOOT], [other])[0], 0)

    def test_where_there_was_nothing_a_little_is_nothing(self):
        self.assertEqual(self.run_with([READ], [changed(READ, rvvmm=0.1)])[0], 0)
        status, out = self.run_with([READ], [changed(READ, rvvmm=2)])
        self.assertEqual(status, 1)
        self.assertIn("was 0 per operation at febdfd4, is 2, noise", out)

    def test_on_another_kernel_the_distance_to_the_floor_counts(self):
        slower_kernel = changed(LSR, **{"floor-aia": 4751, "rvvmm": 4838})
        status, out = self.run_with([LSR, BOOT], [slower_kernel, changed(BOOT, rvvmm=2000)], "Linux 7.3.1")
        self.assertEqual(status, 0)
        self.assertIn("Linux 7.3.1 is not the Linux 7.2.12 of the reference", out)
        self.assertIn("1 rows compared", out)
        status, out = self.run_with([LSR], [changed(slower_kernel, rvvmm=5038)], "Linux 7.3.1")
        self.assertEqual(status, 1)
        self.assertIn("was 87 ns at febdfd4, is 287", out)

    def test_nothing_to_compare_is_no_success(self):
        status, out = self.run_with([LSR], [BOOT])
        self.assertEqual(status, 1)
        self.assertIn("nothing to compare", out)
        self.assertEqual(self.run_with([BOOT], [BOOT], "Linux 7.3.1")[0], 1)

    def test_rows_that_moved_are_left_for_blame(self):
        moved = self.folder / "moved"
        other = {**LSR, "row": "thr_write"}
        paths = [self.folder / "before.json", self.folder / "after.json", moved]
        self.run_with([LSR, other, BOOT], [changed(LSR, rvvmm=4100), changed(other, rvvmm=3000), BOOT])
        self.assertEqual(self.run_files(*paths)[0], 1)
        self.assertEqual([json.loads(line) for line in moved.read_text().splitlines()],
                         [["exit", "lsr_read", "ns"], ["exit", "thr_write", "ns"]])
        moved.unlink()
        self.run_with([LSR], [LSR])
        self.assertEqual((self.run_files(*paths)[0], moved.exists()), (0, False))

    def test_a_bad_file_is_named(self):
        bad = self.folder / "bad.json"
        for text in ("", "[]", '{"rows": []}', '{"host": "x", "commit": "y", "rows": [{"section": 1}]}'):
            bad.write_text(text)
            status, out = self.run_files(bad, bad)
            self.assertEqual(status, 2)
            self.assertIn(f"{bad}: no figures of tools/dev bench", out)
        status, out = self.run_files(self.folder / "none.json", bad)
        self.assertEqual((status, "none.json: No such file" in out), (2, True))


if __name__ == "__main__":
    unittest.main()
