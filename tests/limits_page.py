#!/usr/bin/env python3
"""docs/limits.md: each row names the tests that hold it to its word, or says "none: " and why there is no such test."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADING = ["what", "most", "beyond it", "test"]


def tests_in(text):
    """Suite.Name of each GoogleTest case; a suite with parameters has the name it is defined by, without prefix."""
    return {".".join(names) for names in re.findall(r"^TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)", text, re.M)}


def cells_of(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def fault_of(cells, tests):
    """What is wrong with a row; None: nothing."""
    if len(cells) != len(HEADING) or not all(cells):
        return f"it has not the four columns {', '.join(HEADING)}"
    proof = cells[-1]
    if proof.startswith("none:"):
        return None if len(proof.split()) > 2 else "there is no test, and no reason"
    named = re.findall(r"`([^`]*)`", proof)
    if not named or re.sub(r"`[^`]*`", "", proof).strip(" ,"):
        return "give tests as `Suite.Name`, or \"none: \" and why there is none"
    missing = [name for name in named if name not in tests]
    return f"there is no test {', '.join(missing)}" if missing else None


def faults_of(page, tests):
    """Lines about what is wrong with the page, and how many rows it has."""
    faults, rows = [], 0
    for number, line in enumerate(page.splitlines(), 1):
        if not line.startswith("|"):
            continue
        cells = cells_of(line)
        if cells == HEADING or set("".join(cells)) <= set("-:"):
            continue
        rows += 1
        if fault := fault_of(cells, tests):
            faults.append(f"docs/limits.md:{number}: {fault}")
    return faults, rows


def check_myself():
    """That each fault is found; a check that cannot fail is none."""
    tests = tests_in("TEST_F(A, B) {\n// TEST(X, Y) {\nTEST_P(Long,\n       Name) {\n")
    assert tests == {"A.B", "Long.Name"}, tests
    good = "| what | most | beyond it | test |\n|---|---:|---|---|\n"
    good += "| a \\| b | 1 | no | `A.B`, `Long.Name` |\n| c | 2 | no | none: takes a day |\n"
    assert faults_of(good, tests) == ([], 2), faults_of(good, tests)
    for row in ("| a | 1 | no | `A.C` |", "| a | 1 | no | none: |", "| a | 1 | no | A.B |", "| a | 1 | no | |",
                "| a | 1 | `A.B` |", "| a | 1 | no | `A.B` and more |", "| X | 1 | no | `X.Y` |"):
        assert len(faults_of(good + row, tests)[0]) == 1, row


def main():
    check_myself()
    tests = set()
    for folder in ("unit", "integration"):
        for file in sorted((ROOT / "tests" / folder).rglob("*_test.cpp")):
            tests |= tests_in(file.read_text())
    faults, rows = faults_of((ROOT / "docs" / "limits.md").read_text(), tests)
    print(*faults, sep="\n")
    print(f"{rows} limits, {len(faults)} of them wrong; {len(tests)} tests")
    return 1 if faults or not rows or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
