#!/usr/bin/env python3
"""Makes the tables of tools/dev bench from the lines of host-job.sh: text on stdout, JSON in a file.

table.py HOST-KERNEL LINES JSON
"""
import collections
import json
import sys

COUNT = 100_000
# Section, row: what is bound, on the 7.2 host as the project measures it (docs/benchmarks.md).
BOUNDS = {
    ("start", "64 MiB, 1 vCPU", "CPU ms"): 2.6,
    ("start", "256 MiB, 1 vCPU", "CPU ms"): 2.6,
    ("start", "1024 MiB, 1 vCPU", "CPU ms"): 2.6,
    ("start", "256 MiB, 4 vCPU", "CPU ms"): 3.3,
    ("exit", "lsr_read", "ns"): 3850,
    ("exit", "dbcn_byte", "ns"): 3900,
    ("exit", "dbcn_64", "ns"): 4500,
    ("boot, one hart", "guest latest, 1 vCPU, quiet: init", "ms"): 900,
    ("boot, two harts", "guest latest, 4 vCPU, quiet: init", "ms"): 1100,
    ("shell", "private memory outside guest RAM", "KiB"): 2048,
}
NAMES = {
    "calibrate": "calibration: 1003 guest instructions, no exit",
    "sbi_base": "SBI base get_spec_version (in-kernel floor)",
    "dbcn_byte": "SBI DBCN write_byte",
    "dbcn_64": "SBI DBCN write, 64 bytes",
    "lsr_read": "UART LSR read (MMIO)",
    "thr_write": "UART THR write (MMIO)",
    "vendor_call": "SBI vendor call",
    "batch_64": "64 SBI vendor calls in one batch",
}
SHELL = [
    ("rss_kib", "RSS outside guest RAM", "KiB", 1),
    ("pss_kib", "PSS outside guest RAM", "KiB", 1),
    ("private_kib", "private memory outside guest RAM", "KiB", 1),
    ("guest_ram_kib", "guest RAM resident", "KiB", 1),
    ("threads", "threads", "", 1),
    ("idle_cpu_ns", "CPU time over 10 s idle", "ms", 1e6),
    ("idle_switches", "context switches over 10 s idle", "", 1),
    ("idle_exits", "KVM exits over 10 s idle", "", 1),
    ("boot_exits", "KVM exits from exec to the shell", "", 1),
    ("boot_mmio_exit_user", "  of these MMIO, in user space", "", 1),
    ("boot_mmio_exit_kernel", "  of these MMIO, in the kernel", "", 1),
    ("console_cpu_ns_per_byte", "UART console, 64 KiB: CPU time", "ns/byte", 1),
    ("console_elapsed_ns_per_byte", "UART console, 64 KiB: elapsed", "ns/byte", 1),
]


def read_lines(path):
    """{(section, row, vmm): {name: [values]}}"""
    data = collections.defaultdict(lambda: collections.defaultdict(list))
    with open(path, encoding="utf-8") as file:
        for line in file:
            fields = line.rstrip("\n").split("\t")
            if len(fields) == 5:
                section, row, vmm, name, value = fields
                data[section, row, vmm][name].append(int(value))
    return data


def good(values):
    return values is not None and values.get("status", [0]) == [0]


def rows_of(data):
    """(section, row, unit, {vmm: value}) in the order of the table."""
    rows = collections.OrderedDict()

    def add(section, row, unit, vmm, value):
        rows.setdefault((section, row, unit), {})[vmm] = value

    for (section, row, vmm), values in data.items():
        if vmm.endswith("-cold") or not good(values):
            continue
        if section == "start":
            add("start", row, "CPU ms", vmm, values["cpu_ns"][0] / 1e6)
            add("start", row, "elapsed ms", vmm, values["elapsed_ns"][0] / 1e6)
        elif section == "exit":
            base = data.get(("start", "64 MiB, 1 vCPU", vmm))
            if good(base):
                add("exit", row, "ns", vmm, (values["cpu_ns"][0] - base["cpu_ns"][0]) / COUNT)
        elif section.startswith("boot-"):
            title = "boot, one hart" if section == "boot-main" else "boot, two harts"
            names = ["first kernel message", "init"] if "earlycon" in row else ["init"]
            for name, value in zip(names, values["until_ns"]):
                add(title, f"{row}: {name}", "ms", vmm, value / 1e6)
            if "earlycon" not in row:
                add(title, f"{row}: VMM's exit", "ms", vmm, values["elapsed_ns"][0] / 1e6)
        elif section == "watch":
            for key, title, unit, scale in SHELL:
                if key in values:
                    add("shell", title, unit, vmm, values[key][0] / scale)
        elif section == "size":
            add("size", "binary", "bytes", vmm, values["bytes"][0])
    return rows


def shown(value):
    if value is None:
        return "n/a"
    if value >= 1000 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.2f}" if value < 100 else f"{value:.1f}"


def main():
    host, lines, json_path = sys.argv[1:4]
    rows = rows_of(read_lines(lines))
    vmms = ["floor", "floor-aia", "rvvmm", "qemu"]
    missed = []
    print(f"Host: {host}.\n")
    print("| | unit | floor | floor, AIA | rvvmm | QEMU | bound |\n|---|---|---:|---:|---:|---:|---:|")
    records = []
    last = None
    for (section, row, unit), values in rows.items():
        if section != last:
            print(f"| **{section}** | | | | | | |")
            last = section
        bound = BOUNDS.get((section, row, unit))
        value = values.get("rvvmm")
        mark = ""
        if bound is not None:
            over = value is None or value >= bound
            mark = f"< {shown(bound)}" + (" **missed**" if over else "")
            if over:
                missed.append(f"{section}: {row}: {shown(value)} {unit}, bound {shown(bound)}")
        cells = " | ".join(shown(values[v]) if v in values else "" for v in vmms)
        print(f"| {NAMES.get(row, row)} | {unit} | {cells} | {mark} |")
        records.append({"section": section, "row": row, "unit": unit, "values": values, "bound": bound})
    with open(json_path, "w", encoding="utf-8") as file:
        json.dump({"host": host, "rows": records}, file, indent=1)
    print()
    for line in missed:
        print(f"missed: {line}")


main()
