#!/usr/bin/env python3
"""Makes the tables of tools/dev bench from the lines of host-job.sh: text on stdout, JSON in a file.

table.py HOST COMMIT LINES JSON
"""
import collections
import json
import sys

COUNT = 100_000
ROUND_TRIPS = 20_000
# What tests/guests/memory.S does, and the RAM it has.
TOUCHED_KIB, PASSES, RAM_KIB = 65536, 16, 131072
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
    ("console", "UART, 64 KiB", "ns/byte"): 25000,
    ("console", "virtio-console, 256 KiB", "ns/byte"): 2000,
    ("blk", "seq-write-1M", "ns/KiB"): 1300,
    ("blk", "seq-read-1M", "ns/KiB"): 1200,
    ("blk", "rnd-read-4k-qd1", "ns"): 110_000,
    ("blk", "rnd-write-4k-qd1", "ns"): 115_000,
    ("blk", "rnd-read-4k-qd16", "ns"): 26_000,
    ("net", "tcp-guest-to-host", "ns/KiB"): 3500,
    ("net", "udp-ping-pong", "ns"): 200_000,
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
    "seq-write-1M": "sequential write, 1 MiB",
    "seq-read-1M": "sequential read, 1 MiB",
    "rnd-read-4k-qd1": "random read, 4 KiB, depth 1",
    "rnd-write-4k-qd1": "random write, 4 KiB, depth 1",
    "rnd-read-4k-qd16": "random read, 4 KiB, depth 16",
    "rnd-read-4k-qd16-together": "random read, 4 KiB, depth 16, in one call",
    "tcp-guest-to-host": "TCP, guest to host",
    "tcp-host-to-guest": "TCP, host to guest",
    "udp-ping-pong": "UDP, there and back",
    "doorbell_20000": "doorbell, a thread, and its interrupt back (VIRTIO_BLK_T_GET_ID)",
}
# Work of the guest or the kernel alone, the same for all.
LEVEL = ("calibrate", "sbi_base", "write again, ", "read again, ")
# QEMU's start, less which its rows of memory are, differs by so much for each page that is touched after it.
LEVEL_NS = {"ns/page": 50}
EXITS = "  exits to user space"
# By how many per cent the same code may differ from build to build, by section; tools/dev bench --against goes by it.
NOISE = {
    "start": 2,
    "exit": 1,
    "boot, one hart": 1,
    "boot, two harts": 10,
    "shell": 10,
    "console": 3,
    "blk": 3,
    "net": 5,
    "memory": 5,
    "device": 2,
    "size": 10,
}
# KiB of one operation, where the price is one of a KiB; and of what exits are counted for.
STREAMS = {
    "seq-write-1M": (1024, "per MiB", 1),
    "seq-read-1M": (1024, "per MiB", 1),
    "tcp-guest-to-host": (1, "per MiB", 1024),
    "tcp-host-to-guest": (1, "per MiB", 1024),
}
# Column, title: of what is measured without devices, and with them.
PLAIN = [("floor", "floor"), ("floor-aia", "floor, AIA"), ("rvvmm", "rvvmm"), ("rvvmm-profile", "rvvmm, --profile"),
         ("qemu", "QEMU")]
DEVICES = [("rvvmm", "rvvmm"), ("rvvmm-mmio", "rvvmm, mmio"), ("qemu", "QEMU"), ("qemu-uring", "QEMU, io_uring")]
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


def add_memory(add, data, row, vmm):
    """A row of "GUEST, PAGES", less what the same guest does without that, or a start."""
    guest, pages = row.split(", ")

    def beyond(other, other_pages=pages):
        base = data.get(("memory", f"{other}, {other_pages}", vmm))
        return data["memory", row, vmm]["cpu_ns"][0] - base["cpu_ns"][0] if good(base) else None

    if guest == "touch":
        title, unit, cost, times = "first touch", "ns/page", beyond("shutdown"), TOUCHED_KIB / 4
    elif guest in ("write", "read"):
        title, unit, cost, times = f"{guest} again", "ns/KiB", beyond("touch"), TOUCHED_KIB * PASSES
    elif pages.endswith(",prefault"):
        title, unit, times = "backing at the start", "ns/page", RAM_KIB / 4
        cost = beyond("shutdown", pages.removesuffix(",prefault"))
    else:
        return
    if cost is not None:
        add("memory", f"{title}, {pages}", unit, vmm, cost / times)


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
        elif section == "memory":
            add_memory(add, data, row, vmm)
        elif section == "device":
            base = data.get(("device", "doorbell_0", vmm))
            if row != "doorbell_0" and good(base):
                for name, title in (("elapsed_ns", row), ("cpu_ns", f"{NAMES[row]}: CPU time")):
                    add("device", title, "ns", vmm, (values[name][0] - base[name][0]) / ROUND_TRIPS)
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
        elif section == "console":
            add(section, row, "ns/byte", vmm, values["console_elapsed_ns_per_byte"][0])
            add(section, f"{row}: CPU time", "ns/byte", vmm, values["console_cpu_ns_per_byte"][0])
        elif section in ("blk", "net"):
            for name in [key[: -len(".ns")] for key in values if key.endswith(".ns") and key != "null.ns"]:
                kib, per, times = STREAMS.get(name, (0, "per operation", 1))
                count = values[f"{name}.count"][0]
                exits = (values[f"{name}.exits"][0] - values["null.exits"][0]) / count * times
                add(section, name, "ns/KiB" if kib else "ns", vmm, values[f"{name}.ns"][0] / (count * (kib or 1)))
                add(section, f"{NAMES[name]}:{EXITS}", per, vmm, exits)
        elif section == "size":
            add("size", "binary", "bytes", vmm, values["bytes"][0])
    return rows


def shown(value):
    if value is None:
        return "n/a"
    if value >= 1000 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.2f}" if value < 100 else f"{value:.1f}"


def print_table(rows, columns, missed):
    """Those with a section in them; what misses its bound, or is behind QEMU where there is one, goes to `missed`."""
    print("| | unit | " + " | ".join(title for _, title in columns) + " | bound |")
    print("|---|---|" + "---:|" * (len(columns) + 1))
    last = None
    for (section, row, unit), values in rows:
        if section != last:
            print(f"| **{section}** |" + " |" * (len(columns) + 2))
            last = section
        bound = BOUNDS.get((section, row, unit))
        value = values.get("rvvmm")
        mark = ""
        if bound is not None:
            over = value is None or value >= bound
            mark = f"< {shown(bound)}" + (" **missed**" if over else "")
            if over:
                missed.append(f"{section}: {row}: {shown(value)} {unit}, bound {shown(bound)}")
        peers = [values[vmm] for vmm in ("qemu", "qemu-uring") if vmm in values]
        behind = unit.startswith("ns") and value is not None and peers and value > min(peers) + LEVEL_NS.get(unit, 0)
        if behind and not row.startswith(LEVEL):
            mark += " **behind QEMU**"
            missed.append(f"{section}: {row}: {shown(value)} {unit}, QEMU {shown(min(peers))}")
        cells = " | ".join(shown(values[vmm]) if vmm in values else "" for vmm, _ in columns)
        # Exits stand below what they belong to.
        title = EXITS if row.endswith(EXITS) else NAMES.get(row, row)
        print(f"| {title} | {unit} | {cells} | {mark} |")


def main():
    host, commit, lines, json_path = sys.argv[1:5]
    rows = rows_of(read_lines(lines))
    missed = []
    print(f"Host: {host}.")
    for columns, with_devices in ((PLAIN, False), (DEVICES, True)):
        part = [item for item in rows.items() if (item[0][0] in ("console", "blk", "net")) == with_devices]
        if part:
            print()
            print_table(part, columns, missed)
    records = [
        {
            "section": section,
            "row": row,
            "unit": unit,
            "values": {vmm: round(value, 3) for vmm, value in values.items()},
            "bound": BOUNDS.get((section, row, unit)),
            "noise": NOISE[section],
        }
        for (section, row, unit), values in rows.items()
    ]
    # A row a line: such a file is kept in the repository.
    with open(json_path, "w", encoding="utf-8") as file:
        file.write(f'{{"host": {json.dumps(host)}, "commit": {json.dumps(commit)}, "rows": [\n')
        file.write(",\n".join(json.dumps(record) for record in records))
        file.write("\n]}\n")
    print()
    for line in missed:
        print(f"missed: {line}")


if __name__ == "__main__":
    main()
