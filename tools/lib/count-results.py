#!/usr/bin/env python3
"""count-results.py FOLDER...: prints "passed failed skipped" of the test results in the folders, then a line with the
name of each test that failed.

A folder holds GoogleTest XML files and, where ctest ran, ctest.xml (JUnit) and ctest.json (--show-only=json-v1).
A ctest entry that is a GoogleTest binary counts as its tests, any other as one. An entry that failed without a failed
test in its file (a crash, a timeout) counts as one failure more.
"""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def count_gtest(file, failures):
    """Counts of one GoogleTest XML file; an unreadable one is a failure. Adds the names of what failed to failures."""
    passed = failed = skipped = 0
    try:
        cases = list(ElementTree.parse(file).getroot().iter("testcase"))
    except ElementTree.ParseError:
        failures.append(f"{file.name}: no results that can be read")
        return 0, 1, 0
    for case in cases:
        if case.find("failure") is not None:
            failed += 1
            failures.append(".".join(filter(None, (case.get("classname"), case.get("name")))))
        elif case.get("result") in ("skipped", "suppressed") or case.get("status") == "notrun":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def binaries_of(folder):
    """Test name -> base names of what ctest runs for it."""
    tests = json.loads((folder / "ctest.json").read_text()).get("tests", [])
    return {test["name"]: [Path(word).name for word in test.get("command", [])] for test in tests}


def count_ctest(folder, gtest, failures):
    """Counts of what ctest ran beside the GoogleTest files; gtest: file -> its counts."""
    passed = failed = skipped = 0
    binaries = binaries_of(folder)
    for case in ElementTree.parse(folder / "ctest.xml").getroot().iter("testcase"):
        names = binaries.get(case.get("name"), [])
        files = [file for file in gtest if re.sub(r"(_\d+)?\.xml$", "", file.name) in names]
        if case.get("status") == "fail":
            if not any(gtest[file][1] for file in files):
                failed += 1
                failures.append(f"{case.get('name')}: ended without saying which test failed")
        elif case.get("status") != "run":
            skipped += 1
        else:
            passed += not files
    return passed, failed, skipped


def main():
    total = [0, 0, 0]
    failures = []
    for folder in map(Path, sys.argv[1:]):
        gtest = {file: count_gtest(file, failures) for file in folder.glob("*.xml") if file.name != "ctest.xml"}
        counts = list(gtest.values())
        if (folder / "ctest.xml").exists():
            counts.append(count_ctest(folder, gtest, failures))
        for each in counts:
            total = [sum(pair) for pair in zip(total, each)]
    print(*total)
    for name in failures:
        print(name)


main()
