# shellcheck shell=bash
# tools/dev bench: what rvvmm costs, beside Debian's QEMU and a program that does nothing else, in exact mode.

bench_usage() {
    cat <<'EOF'
usage: tools/dev bench [--kernel 6.12|latest]... [--no-qemu] [--no-smp] [--only SECTION,...]
                       [--against FILE] [--record FILE]
       tools/dev bench --text-order

  --only SECTION,...    start, exit, boot, watch (at a shell), console, blk, net, memory and device, on one
                        hart; leaves out the two-hart boots
  --no-qemu             rvvmm and the floor alone
  --against FILE        compares with figures kept by --record, and fails with status 1 where a row got worse by more than
                        its noise, which the file has for each; for one --kernel, without QEMU
  --record FILE         keeps the figures, and the commit they are of; for one --kernel
  --text-order          makes tools/cmake/text-order.ld anew: the order of code for the linker

Boots emulated hosts in exact mode (one instruction is one nanosecond) and measures; see docs/benchmarks.md.
Takes some minutes per kernel. Tables go to stdout, and to build/bench/ with the raw lines, JSON and a page of plots.
EOF
}

BENCH_QEMU_SUITE=trixie

# QEMU for riscv64 and its libraries, unpacked: nothing of it runs here.
fetch_bench_qemu() {
    local target=$1 suite
    suite=$(served_suite "$BENCH_QEMU_SUITE" riscv64)
    # shellcheck disable=SC2016 # expanded inside
    retry sh -c 'rm -rf "$0" && exec mmdebstrap "$@"' "$target" --variant=extract --architectures=riscv64 \
        --include=qemu-system-riscv --aptopt='Apt::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --aptopt='Acquire::Retries "3"' \
        "$suite" "$target" "deb [signed-by=$SDK$KEYRING] $(debian_mirror) $suite main"
    slim_bench_qemu "$target"
}

# Only what the program needs to run: it is copied into the emulated host's RAM.
slim_bench_qemu() {
    local target=$1 keep=$1.keep
    rm -rf "$keep"
    mkdir -p "$keep"/usr/{bin,lib,share} "$keep"/{dev,proc,sys,pack,tmp,etc}
    cp "$target/usr/bin/qemu-system-riscv64" "$keep/usr/bin/"
    in_sdk python3 tools/bench/needed.py "${target/#"$CACHE"//cache}" "${keep/#"$CACHE"//cache}"
    cp -r "$target/usr/share/qemu" "$keep/usr/share/" 2>/dev/null || true
    ln -s usr/lib "$keep/lib"
    ln -s usr/bin "$keep/bin"
    put_in_place "$keep" "$target"
}

bench_qemu_setup() {
    local key target=$CACHE/bench/qemu
    mkdir -p "$CACHE/bench"
    key=$(hash_of "$(declare -f fetch_bench_qemu slim_bench_qemu)" "$ROOT/tools/bench/needed.py" "$BENCH_QEMU_SUITE")
    stamped "$target" "$key" && return
    step "QEMU for riscv64 (Debian $BENCH_QEMU_SUITE), to measure against" bench-qemu \
        fetch_bench_qemu "$CACHE/tmp/bench-qemu"
    put_in_place "$CACHE/tmp/bench-qemu" "$target"
    stamp "$target" "$key"
}

# In the SDK: the programs of tools/bench and the guest's initramfs.
make_bench_files() {
    local out=$1 tree=/tmp/bench-tree
    riscv64-linux-gnu-gcc -O2 -static -Wall -Wextra -Werror -o "$out/floor" tools/bench/floor.c
    riscv64-linux-gnu-gcc -O2 -static -Wall -Wextra -Werror -o "$out/in-root" tools/bench/in-root.c
    riscv64-linux-gnu-g++ -std=c++23 -O2 -static -Wall -Wextra -Werror -o "$out/measure" tools/bench/measure.cpp
    mkdir -p "$tree"/{dev,proc,sys,tmp,usr/bin,usr/sbin}
    ln -s usr/bin "$tree/bin"
    cp /opt/riscv64/usr/bin/busybox "$tree/usr/bin/busybox"
    for applet in sh mount cat poweroff setsid cttyhack echo yes head ip modprobe; do
        ln -s busybox "$tree/usr/bin/$applet"
    done
    mknod -m 600 "$tree/dev/console" c 5 1
    cp tools/bench/guest-init "$tree/init"
    chmod 755 "$tree/init"
    pack_tree "$tree" "$out/bench-guest.cpio"
    make_bench_load "$out"
}

# The same guest with drivers and tools/bench/load.c, apart: unpacking them would be part of what a boot takes.
make_bench_load() {
    local out=$1 tree=/tmp/bench-load
    riscv64-linux-gnu-gcc -O2 -static -Wall -Wextra -Werror -o "$out/load" tools/bench/load.c
    mkdir -p "$tree/usr/bin"
    cp "$out/load" "$tree/usr/bin/"
    riscv64-linux-gnu-strip "$tree/usr/bin/load"
    add_modules "$tree" /cache/kernels/latest virtio_mmio virtio_blk virtio_net
    pack_tree "$tree" "$out/load.cpio"
    cat "$out/bench-guest.cpio" "$out/load.cpio" >"$out/bench-load.cpio"
}

# bench_host KERNEL WHAT SMP [SECTIONS]: one emulated host.
bench_host() {
    local kernel=$1 what=$2 smp=$3 sections=${4:-} pack=() file
    local out=$ROOT/build/bench guests=$ROOT/build/riscv64/tests/guests
    for file in "$ROOT/build/riscv64/rvvmm" "$out"/{floor,in-root,measure,load,bench-guest.cpio,bench-load.cpio} \
        "$ROOT/tools/bench/host-job.sh" "$guests"/shutdown{,.bin} "$guests"/bench_*; do
        pack+=(--pack "$file")
    done
    cp "$CACHE/kernels/latest/Image" "$out/Image-latest"
    pack+=(--pack "$out/Image-latest")
    say "==> measuring on Linux $kernel, $smp hart(s): $what"
    (host_run --pipe --icount --kernel "$kernel" --smp "$smp" --timeout 3000 "${pack[@]}" -- \
        bash /pack/host-job.sh "$what" "$BENCH_VMMS" ${sections:+"$sections"} </dev/null) >>"$out/$kernel.lines"
}

# "; QEMU 10.0.2", or nothing where it is not measured.
bench_qemu_version() {
    [[ $BENCH_VMMS == *qemu* ]] || return 0
    in_sdk qemu-riscv64 -L /cache/bench/qemu /cache/bench/qemu/usr/bin/qemu-system-riscv64 --version |
        sed -nE 's/^QEMU emulator version ([0-9.]+).*/; QEMU \1/p'
}

# The commit that is measured, with a + where the tree has changes beside it.
bench_commit() {
    local commit
    commit=$(git -C "$ROOT" rev-parse --short HEAD 2>/dev/null) || { echo unknown && return; }
    if ! git -C "$ROOT" diff --quiet HEAD --; then commit+=+; fi
    echo "$commit"
}

bench_kernel() {
    local kernel=$1 smp=$2 sections=$3 out=$ROOT/build/bench
    rm -f "$out/$kernel.lines"
    bench_host "$kernel" main 1 "$sections"
    ((smp)) && bench_host "$kernel" smp 2
    in_sdk python3 tools/bench/table.py "Linux $(<"$CACHE/kernels/$kernel/version")$(bench_qemu_version)" \
        "$(bench_commit)" "build/bench/$kernel.lines" "build/bench/$kernel.json" | tee "$out/$kernel.md"
    in_sdk python3 -B tools/bench/plots.py "build/bench/$kernel.json" "build/bench/$kernel.html"
}

# What rvvmm executes from its start to its end, at four harts and with output, as QEMU saw it.
make_text_order() {
    local build=$ROOT/build/riscv64 order=$ROOT/tools/cmake/text-order.ld log=/src/build/text-order.log
    build_preset riscv64
    in_sdk cmake --build build/riscv64 --target rvvmm-traced
    (host_run --pipe --icount --smp 1 --qemu -d --qemu exec,nochain --qemu -dfilter --qemu 0x40000000+0x1000000 \
        --qemu -D --qemu "$log" --pack "$build/rvvmm-traced" --pack "$build/tests/guests/shutdown" \
        --pack "$build/tests/guests/hello" -- sh -ec 'chmod 755 /pack/rvvmm-traced
            for guest in shutdown hello; do /pack/rvvmm-traced --kernel /pack/$guest --mem 64M --smp 4; done' </dev/null)
    in_sdk python3 tools/bench/text-order.py build/riscv64/rvvmm-traced.map build/text-order.log >"$order.new"
    mv "$order.new" "$order"
    say "==> $order: $(grep -c '^  ' "$order") pieces of code"
}

bench_verb() {
    local kernels=() smp=1 sections='' text_order=0 against='' record='' kernel
    BENCH_VMMS=floor,floor-aia,rvvmm-profile,rvvmm,qemu
    while (($# > 0)); do
        case $1 in
        --kernel) kernels+=("$2") && shift ;;
        --no-qemu) BENCH_VMMS=${BENCH_VMMS%,qemu} ;;
        --no-smp) smp=0 ;;
        --only) sections=$2 smp=0 && shift ;;
        --against) against=$2 && shift ;;
        --record) record=$2 && shift ;;
        --text-order) text_order=1 ;;
        --help | -h) bench_usage && return ;;
        *) bench_usage >&2 && die "bench: what is $1?" ;;
        esac
        shift
    done
    if [[ $against$record ]]; then
        ((${#kernels[@]} == 1)) || die "bench --against and --record are for one kernel: give --kernel latest or 6.12"
        [[ -z $against || -f $against ]] || die "bench --against $against: no such file; --record makes one"
        # Of the floors, the one that is compared with on another kernel.
        if [[ -z $record ]]; then BENCH_VMMS=floor-aia,rvvmm; fi
        against=${against:+$(realpath "$against")} record=${record:+$(realpath "$record")}
    fi
    ((${#kernels[@]})) || kernels=(latest 6.12)
    cd "$ROOT"
    setup_all
    if ((text_order)); then
        make_text_order
        return
    fi
    in_sdk nice cmake --preset riscv64
    in_sdk nice cmake --build build/riscv64 --target rvvmm bench_guests
    mkdir -p build/bench
    in_sdk bash -ec "set -o pipefail; RISCV64_STRIP=riscv64-linux-gnu-strip
        $(declare -f add_modules pack_tree make_bench_files make_bench_load); make_bench_files build/bench"
    if [[ $BENCH_VMMS == *qemu* ]]; then with_setup_lock bench_qemu_setup; fi
    for kernel in "${kernels[@]}"; do bench_kernel "$kernel" "$smp" "$sections"; done
    if [[ $record ]]; then cp "build/bench/${kernels[0]}.json" "$record"; fi
    if [[ $against ]]; then
        cp "$against" build/bench/reference.json
        in_sdk python3 -B tools/bench/compare.py build/bench/reference.json "build/bench/${kernels[0]}.json"
    fi
}
