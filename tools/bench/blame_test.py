#!/usr/bin/env python3
"""Tests of blame.py, with commits that cost what they are said to cost."""
import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import blame

KEY = ("exit", "lsr_read", "ns")
OTHER = ("exit", "thr_write", "ns")


def row(key, value, noise=1):
    section, name, unit = key
    return {"section": section, "row": name, "unit": unit, "values": {"rvvmm": value}, "noise": noise}


class BlameTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "measured").mkdir()
        self.asked = []

    def write(self, name, rows):
        text = json.dumps({"host": "Linux 7.2.12", "commit": "c0", "rows": rows})
        (self.folder / name).write_text(text)

    def ask(self):
        """What blame.py says once."""
        paths = [str(self.folder / name) for name in ("moved", "reference.json", "commits", "measured")]
        out = io.StringIO()
        with mock.patch.object(sys, "argv", ["blame.py", *paths]), contextlib.redirect_stdout(out):
            with contextlib.redirect_stderr(out):
                self.status = blame.main()
        return out.getvalue().splitlines()

    def blame(self, *figures, reference=None, moved=(KEY,)):
        """`figures`: of each commit in turn, one or a dictionary of rows; None is one that cannot be built. The first
        is the reference's, the last has been measured. What is asked for is measured, till there is an answer."""
        for file in (self.folder / "measured").iterdir():
            file.unlink()
        self.asked.clear()
        costs = [f if isinstance(f, dict) or f is None else {KEY: f} for f in figures]
        first = reference or costs[0]
        self.write("reference.json", [row(key, value) for key, value in first.items()])
        (self.folder / "moved").write_text("".join(json.dumps(key) + "\n" for key in moved))
        (self.folder / "commits").write_text("".join(f"c{n} change {n}\n" for n in range(len(costs))))

        def measure(number):
            if costs[number] is None:
                (self.folder / "measured" / f"c{number}.failed").touch()
            else:
                self.write(f"measured/c{number}.json", [row(key, value) for key, value in costs[number].items()])

        measure(len(costs) - 1)
        for _ in costs:
            lines = self.ask()
            if not lines[0].startswith("measure "):
                return lines
            self.asked.append(lines[0].removeprefix("measure "))
            measure(int(self.asked[-1][1:]))
        self.fail(f"asked for more than there is: {self.asked}")

    def test_the_commit_is_found_by_halving(self):
        before, after = [3838] * 60, [4139] * 40
        self.assertEqual(self.blame(*before, *after), ["exit: UART LSR read (MMIO): 3838 -> 4139 ns by c60 change 60"])
        self.assertLessEqual(len(self.asked), 8)

    def test_each_place_is_found(self):
        for at in range(1, 6):
            with self.subTest(at=at):
                self.assertEqual(self.blame(*[3838] * at, *[4139] * (6 - at)),
                                 [f"exit: UART LSR read (MMIO): 3838 -> 4139 ns by c{at} change {at}"])

    def test_noise_is_no_step(self):
        self.assertEqual(self.blame(3838, 3850, 3830, 4139, 4120, 4150),
                         ["exit: UART LSR read (MMIO): 3830 -> 4139 ns by c3 change 3"])

    def test_two_commits_that_moved_it_are_both_found(self):
        self.assertEqual(self.blame(3800, 3800, 3900, 3900, 3900, 4100, 4100),
                         ["exit: UART LSR read (MMIO): 3800 -> 3900 ns by c2 change 2",
                          "exit: UART LSR read (MMIO): 3900 -> 4100 ns by c5 change 5"])

    def test_what_got_faster_is_told_too(self):
        self.assertEqual(self.blame(4139, 3838, 3838), ["exit: UART LSR read (MMIO): 4139 -> 3838 ns by c1 change 1"])

    def test_small_steps_are_told_together(self):
        self.assertEqual(self.blame(3800, 3820, 3840),
                         ["exit: UART LSR read (MMIO): 3800 -> 3840 ns by these together, each within the noise:",
                          "  c1 change 1: 3820", "  c2 change 2: 3840"])

    def test_rows_share_what_was_measured(self):
        good, slow = {KEY: 3838, OTHER: 4000}, {KEY: 4139, OTHER: 4400}
        self.assertEqual(self.blame(good, good, slow, slow, slow, moved=(KEY, OTHER)),
                         ["exit: UART LSR read (MMIO): 3838 -> 4139 ns by c2 change 2",
                          "exit: UART THR write (MMIO): 4000 -> 4400 ns by c2 change 2"])
        self.assertEqual(len(self.asked), len(set(self.asked)))

    def test_a_commit_that_cannot_be_measured_is_passed_over(self):
        self.assertEqual(self.blame(3838, 3838, None, 3838, 4139, 4139),
                         ["exit: UART LSR read (MMIO): 3838 -> 4139 ns by c4 change 4"])

    def test_where_the_one_cannot_be_measured_all_that_may_be_it_are_named(self):
        self.assertEqual(self.blame(3838, None, None, 4139),
                         ["exit: UART LSR read (MMIO): 3838 -> 4139 ns by one of these, not all of which could be measured:",
                          "  c1 change 1", "  c2 change 2", "  c3 change 3: 4139"])

    def test_what_the_reference_s_commit_costs_now_counts(self):
        lines = self.blame(4139, 4139, 4139, reference={KEY: 3838})
        self.assertEqual(len(lines), 1)
        self.assertIn("not by these commits: 4139 ns at c0 change 0, measured here and now, and 4139 at the last one", lines[0])
        self.assertEqual(self.asked, ["c0"])

    def test_a_row_without_a_figure_at_an_end_is_told(self):
        self.assertEqual(self.blame(3838, {OTHER: 1}, reference={KEY: 3838}),
                         ["exit: UART LSR read (MMIO): cannot be told: the last commit, c1 change 1, has no figure"])
        self.assertEqual(self.blame(None, 4139, reference={KEY: 3838}),
                         ["exit: UART LSR read (MMIO): cannot be told: the reference's commit, c0 change 0, has no figure"])

    def test_bad_figures_are_named(self):
        self.blame(3838, 4139)
        (self.folder / "measured" / "c1.json").write_text("[]")
        self.assertIn("c1.json: no figures of tools/dev bench", self.ask()[0])
        self.assertEqual(self.status, 2)


if __name__ == "__main__":
    unittest.main()
