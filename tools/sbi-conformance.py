#!/usr/bin/env python3
"""sbi-conformance.py draw KERNEL=VERSION=FILE...: prints docs/sbi-conformance.md.
sbi-conformance.py check DOCUMENT KERNEL VERSION FILE: is what FILE says in the document's column of KERNEL?

A FILE is what tests/guests/sbi_conformance.c wrote: sbi_report.c tells its lines.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

# Why an answer deviates: extension, function, what the arguments begin with, reason. One without a reason is an error,
# so that nobody draws a deviation that nobody has looked at.
NOTES = [
    ("BASE", "probe_extension", "-1", "KVM's list of extensions has an entry with the EID -1: the place of the legacy "
     "calls, which these kernels are built without."),
    ("RFNC", "", "", "KVM sends the fence to those harts of the mask that exist, and does not look for others."),
    ("HSM", "hart_get_status", "hart 2^32", "KVM takes the low 32 bits of the hart id."),
    ("HSM", "hart_start", "hart 2^32", "KVM takes the low 32 bits of the hart id: if hart 1 were stopped, it would "
     "start."),
    ("HSM", "hart_get_status", "", "KVM of Linux up to 6.12.107 reports a hart that does not exist as STARTED: "
     "[kvm-quirks.md](kvm-quirks.md#hsm-status-of-a-hart-that-does-not-exist)."),
    ("SRST", "system_reset", "", "KVM returns NOT_SUPPORTED for every type that it does not know."),
    ("PMU", "pmu_counter_fw_read_hi", "", "On RV64 the upper half is always 0, and KVM does not look at the counter."),
    ("PMU", "pmu_snapshot_set_shmem", "not aligned", "KVM does not look at the alignment."),
]

HEADER = """\
# SBI conformance

What a guest gets from each call of each SBI extension, compared with SBI 3.0. `tests/guests/sbi_conformance.c` makes
the calls. `tools/dev sbi-table` runs it on the emulated hosts and writes this file. Do not edit it. If a test run gets
another answer than the one here, the test `sbi_table` fails.

- **Section**: the section of SBI 3.0, or the document that defines the call.
- **Expected**: what the specification allows if the extension exists. What follows "with" is the value that SUCCESS
  returns. It is not shown if any value is allowed.
- **absent**: the host's kernel does not have the extension or this function. The call returns NOT_SUPPORTED, as it
  must.
- **Bold**: the answer differs from the specification. The number refers to a note at the end. All these answers come
  from KVM. rvvmm's own answers must conform on any host: `SbiConformance` in `tests/integration/sbi_test.cpp`.
- **Answered by**: KVM in the host's kernel, or rvvmm. [architecture.md](architecture.md) explains who answers what.

The guest has two harts, 0 and 1, and 64 MiB of RAM. It has the default extensions, and MPXY if the kernel forwards
it (`--sbi mpxy=on`). The hosts are emulated with Sscofpmf, because KVM has no PMU without it. The ordinary test run
emulates hosts without Sscofpmf, so it does not compare the PMU rows. Whether FWFT has a feature also depends on the
host's firmware and CPUs.

The guest does not make calls that end the VM or a hart: SRST with a valid type and a valid reason, or with a reserved
reason, which KVM accepts; SUSP with valid arguments; legacy shutdown; "exit" with a valid status. It also does not call
KVM's HSM start with an invalid address, because KVM starts the hart there.
"""


@dataclass
class Row:
    extension: str
    function: str
    section: str
    arguments: str
    expected: str
    seen: str
    answered_by: str
    verdict: str

    def key(self):
        return self.extension, self.function, self.arguments

    def cell(self):
        """As in the document, but for the number of the note."""
        return {"ok": self.seen, "absent": "absent"}.get(self.verdict, f"**{self.seen}**")


def rows_of(file):
    """The rows of one run, and none missing."""
    rows, said = {}, None
    for line in Path(file).read_text(errors="replace").splitlines():
        fields = line.split("\t")
        if fields[0] == "sbi" and len(fields) == 9:
            row = Row(*fields[1:])
            if row.key() in rows:
                sys.exit(f"error: two rows for {' '.join(row.key())}")
            rows[row.key()] = row
        elif fields[0] == "rows":
            said = int(fields[1], 0)
    if said != len(rows):
        sys.exit(f"error: {file} has {len(rows)} rows of {said}")
    return rows


def note_of(row):
    """Index of the note that tells of this row's deviation."""
    for i, (extension, function, begin, _) in enumerate(NOTES):
        if row.extension == extension and function in ("", row.function) and row.arguments.startswith(begin):
            return i
    sys.exit(f"error: no note tells why this deviates: {' '.join(row.key())}: {row.seen}, expected {row.expected}")


def draw(runs):
    """runs: (kernel, version, file)..."""
    tables = [rows_of(file) for _, _, file in runs]
    if any(table.keys() != tables[0].keys() for table in tables):
        sys.exit("error: the kernels do not have the same rows")
    numbers = {}  # index of a note -> its number in the document
    print(HEADER)
    print("Hosts: " + ", ".join(f"{kernel} is Linux {version}" for kernel, version, _ in runs) + ".")
    extension = None
    for key, row in tables[0].items():
        if row.extension != extension:
            extension = row.extension
            print(f"\n## {extension}\n")
            print(f"| call | section | arguments | expected | {' | '.join(run[0] for run in runs)} | answered by |")
            print("|---|---|---|---|" + "---|" * len(runs) + "---|")
        cells = []
        for each in (table[key] for table in tables):
            note = ""
            if each.verdict == "deviates":
                note = f" ({numbers.setdefault(note_of(each), len(numbers) + 1)})"
            cells.append(each.cell() + note)
        print(f"| {row.function} | {row.section} | {row.arguments} | {row.expected} | {' | '.join(cells)} "
              f"| {row.answered_by} |")
    print("\n## Notes\n")
    for index, number in numbers.items():
        print(f"{number}. {NOTES[index][3]}")


def cells_of(document, kernel):
    """Key of a row -> its cell in the kernel's column, without the number of a note."""
    cells, extension, column = {}, None, None
    for line in Path(document).read_text().splitlines():
        fields = [field.strip() for field in line.strip("|").split(" | ")]
        if line.startswith("## "):
            extension = line[3:]
        elif line.startswith("| call |"):
            column = fields.index(kernel)
        elif line.startswith("| "):
            cells[extension, fields[0], fields[2]] = re.sub(r" \(\d+\)$", "", fields[column])
    return cells


def check(document, kernel, version, file):
    """The number of rows that are not as in the document. PMU depends on the host's CPUs, so it may be absent. What a
    kernel of another version than the document's answers itself is no mistake: it is told."""
    cells = cells_of(document, kernel)
    is_the_documents = f"{kernel} is Linux {version}" in re.split(r"[,\n]\s*|Hosts: |\.\n", Path(document).read_text())
    rows = rows_of(file)
    wrong = 0
    for key in {**cells, **rows}:
        row = rows.get(key)
        if row and row.extension == "PMU" and row.verdict == "absent":
            continue
        if not row or row.cell() != cells.get(key):
            counts = is_the_documents or not row or key not in cells or row.answered_by != "KVM"
            print(f"{'error' if counts else 'note'}: {' '.join(key)}: {row.cell() if row else 'not reported'}; "
                  f"{document} has {cells.get(key)}")
            wrong += counts
    print(f"{len(rows)} rows, {wrong} not as in {document}, column {kernel}; tools/dev sbi-table draws it anew")
    return wrong


def main():
    match sys.argv[1:]:
        case ["draw", *runs] if runs:
            draw([run.split("=", 2) for run in runs])
        case ["check", document, kernel, version, file]:
            sys.exit(1 if check(document, kernel, version, file) else 0)
        case _:
            sys.exit(__doc__)


main()
