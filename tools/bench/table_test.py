#!/usr/bin/env python3
"""Tests of table.py: what a figure is made of."""
import tempfile
import unittest
from pathlib import Path

import table


class RowsTest(unittest.TestCase):
    def rows_of(self, *lines):
        """{(section, row, unit): {vmm: value}} of "SECTION|ROW|VMM|NAME|VALUE"."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "lines"
            path.write_text("".join(line.replace("|", "\t") + "\n" for line in lines))
            return table.rows_of(table.read_lines(path))

    def test_an_exit_is_what_is_left_of_100000_without_the_start(self):
        rows = self.rows_of("start|64 MiB, 1 vCPU|rvvmm|cpu_ns|2000000", "start|64 MiB, 1 vCPU|rvvmm|elapsed_ns|1",
                            "exit|lsr_read|rvvmm|cpu_ns|302000000")
        self.assertEqual(rows["exit", "lsr_read", "ns"], {"rvvmm": 3000})

    def test_memory_is_divided_by_pages_and_by_kib(self):
        start, touched = 2_000_000, 2_000_000 + 16384 * 300
        rows = self.rows_of(
            f"memory|shutdown, hugepages=thp|rvvmm|cpu_ns|{start}",
            f"memory|touch, hugepages=thp|rvvmm|cpu_ns|{touched}",
            f"memory|write, hugepages=thp|rvvmm|cpu_ns|{touched + 16 * 65536 * 144}",
            f"memory|read, hugepages=thp|rvvmm|cpu_ns|{touched + 16 * 65536 * 145}",
            f"memory|shutdown, hugepages=thp,prefault|rvvmm|cpu_ns|{start + 32768 * 250}",
            f"memory|touch, hugepages=thp,prefault|rvvmm|cpu_ns|{start + 32768 * 250 + 16384 * 10}")
        self.assertEqual(dict(rows), {
            ("memory", "first touch, hugepages=thp", "ns/page"): {"rvvmm": 300},
            ("memory", "write again, hugepages=thp", "ns/KiB"): {"rvvmm": 144},
            ("memory", "read again, hugepages=thp", "ns/KiB"): {"rvvmm": 145},
            ("memory", "backing at the start, hugepages=thp,prefault", "ns/page"): {"rvvmm": 250},
            ("memory", "first touch, hugepages=thp,prefault", "ns/page"): {"rvvmm": 10}})

    def test_a_round_trip_is_what_is_left_of_20000_without_those_of_none(self):
        rows = self.rows_of("device|doorbell_0|rvvmm|cpu_ns|3000000", "device|doorbell_0|rvvmm|elapsed_ns|4000000",
                            "device|doorbell_20000|rvvmm|cpu_ns|403000000",
                            "device|doorbell_20000|rvvmm|elapsed_ns|604000000")
        name = table.NAMES["doorbell_20000"]
        self.assertEqual(dict(rows), {("device", "doorbell_20000", "ns"): {"rvvmm": 30000},
                                      ("device", f"{name}: CPU time", "ns"): {"rvvmm": 20000}})

    def test_what_failed_or_has_nothing_to_be_less_is_no_figure(self):
        self.assertEqual(self.rows_of("exit|lsr_read|rvvmm|cpu_ns|302000000"), {})
        self.assertEqual(self.rows_of("memory|touch, hugepages=2M|rvvmm|cpu_ns|302000000"), {})
        self.assertEqual(self.rows_of("memory|shutdown, hugepages=2M|rvvmm|cpu_ns|1",
                                      "memory|shutdown, hugepages=2M|rvvmm|status|64",
                                      "memory|touch, hugepages=2M|rvvmm|cpu_ns|2"), {})

    def test_cold_runs_do_not_count(self):
        self.assertEqual(self.rows_of("start|64 MiB, 1 vCPU|rvvmm-cold|cpu_ns|1",
                                      "start|64 MiB, 1 vCPU|rvvmm-cold|elapsed_ns|1"), {})


if __name__ == "__main__":
    unittest.main()
