# shellcheck shell=bash
# tools/dev bench: what rvvmm costs, beside Debian's QEMU and a program that does nothing else, in exact mode.

bench_usage() {
    cat <<'EOF'
usage: tools/dev bench [--kernel 6.12|latest]... [--no-qemu] [--no-smp] [--only SECTION,...]
                       [--against FILE [--bisect]] [--record FILE]
       tools/dev bench --text-order

  --only SECTION,...    start, exit, boot, watch (at a shell), console, blk, net, memory and device, on one
                        hart; leaves out the two-hart boots
  --no-qemu             rvvmm and the floor alone
  --against FILE        compares with figures kept by --record, and fails with status 1 where a row got worse by more than
                        its noise, which the file has for each; for one --kernel, without QEMU; tells which commits
                        since then touch what is built
  --bisect              then measures commits between, in a worktree of its own, till it is known which one moved what
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

# What a figure may be moved by, but for the host's kernel.
BENCH_BUILT=(src include CMakeLists.txt CMakePresets.json tools/cmake tests/guests tools/bench tools/lib/bench.sh
    tools/lib/host.sh tools/lib/sdk.sh ':!tools/bench/*.json' ':!tools/bench/*_test.py')

# The commit that the figures in FILE are of.
bench_commit_of() { sed -nE '1s/.*"commit": "([0-9a-f]+)\+?".*/\1/p' "$1"; }

# bench_has_commit FILE: says why not on stdout, where nobody can tell what happened since the commit that FILE is of.
bench_has_commit() {
    local commit said
    commit=$(bench_commit_of "$1")
    if [[ -z $commit ]]; then
        echo "it does not say which commit it is of"
    elif ! said=$(git -C "$ROOT" rev-parse --git-dir 2>&1); then
        echo "$ROOT cannot be read by git: ${said%%$'\n'*}"
    elif ! git -C "$ROOT" cat-file -e "$commit^{commit}" 2>/dev/null; then
        if [[ $(git -C "$ROOT" rev-parse --is-shallow-repository) == true ]]; then
            echo "its commit, $commit, is not in this repository, which is shallow; git fetch --unshallow gets it"
        else
            echo "its commit, $commit, is not in this repository"
        fi
    elif ! git -C "$ROOT" merge-base --is-ancestor "$commit" HEAD; then
        echo "its commit, $commit, is no ancestor of what is checked out"
    else
        return 0
    fi
    return 1
}

# bench_commits_since COMMIT: those that touch what is built, oldest first.
bench_commits_since() {
    git -C "$ROOT" log --first-parent --reverse --format='%h %s' "$1..HEAD" -- "${BENCH_BUILT[@]}"
}

# Lines for whoever reads that a row moved; the last ones are what a long log is cut to.
bench_tell_commits() {
    local reference=$1 why commit count most=25
    if ! why=$(bench_has_commit "$reference"); then
        echo "which commits it can be cannot be told from the reference: $why"
        return
    fi
    commit=$(bench_commit_of "$reference")
    count=$(bench_commits_since "$commit" | wc -l)
    [[ $(bench_commit) != *+ ]] || echo "there are changes that are not committed"
    echo "commits since $commit that touch what is built: $count; --bisect says which one it was"
    ((count <= most)) || echo "  ..."
    bench_commits_since "$commit" | tail -n "$most" | sed 's/^/  /'
}

# bench_bisect KERNEL REFERENCE SECTIONS: measures one commit after the other, by its own tools/dev, till blame.py knows.
bench_bisect() {
    local kernel=$1 reference=$2 sections=$3 out=$ROOT/build/bench tree=$ROOT/build/bench/tree commit said
    commit=$(bench_commit_of "$reference")
    git -C "$ROOT" log -1 --format='%h %s' "$commit" >"$out/commits"
    bench_commits_since "$commit" >>"$out/commits"
    if (($(wc -l <"$out/commits") < 2)); then
        echo "no commit since $commit touches what is built: moved by the host's kernel or the tools"
        return
    fi
    rm -rf "$out/measured" && mkdir -p "$out/measured"
    # The present tree has been measured: what came after the last of them touches nothing.
    said=$(tail -n 1 "$out/commits")
    cp "$out/$kernel.json" "$out/measured/${said%% *}.json"
    bench_remove_tree "$tree"
    at_exit "bench_remove_tree '$tree'"
    git -C "$ROOT" worktree add --quiet --detach --no-checkout "$tree" HEAD
    while said=$(in_sdk python3 -B tools/bench/blame.py build/bench/moved build/bench/reference.json build/bench/commits \
        build/bench/measured); do
        if [[ $said != "measure "* ]]; then
            echo "$said"
            return
        fi
        bench_measure_commit "$kernel" "${said#measure }" "$sections" "$tree"
    done
    return 1
}

bench_remove_tree() {
    git -C "$ROOT" worktree remove --force "$1" 2>/dev/null || true
    rm -rf "$1"
    git -C "$ROOT" worktree prune
}

# The build folder stays, so that only what differs is compiled. As the present tree was measured, with --against:
# what else is measured before a start moves its timer ticks, which is up to 2 % of it. What that says does not matter.
bench_measure_commit() {
    local kernel=$1 commit=$2 sections=$3 tree=$4 measured=$ROOT/build/bench/measured start=$SECONDS
    say "==> measuring $(git -C "$ROOT" log -1 --format='%h %s' "$commit")"
    git -C "$tree" checkout --quiet --force --detach "$commit"
    rm -f "$tree/build/bench/$kernel.json"
    RVVMM_CACHE=$CACHE "$tree/tools/dev" bench --kernel "$kernel" ${sections:+--only "$sections"} \
        --against "$ROOT/build/bench/reference.json" >"$measured/$commit.log" 2>&1 </dev/null || true
    if [[ -f $tree/build/bench/$kernel.json ]]; then
        cp "$tree/build/bench/$kernel.json" "$measured/$commit.json"
        say "    done in $((SECONDS - start)) s"
    else
        touch "$measured/$commit.failed"
        say "    it cannot be measured: build/bench/measured/$commit.log"
    fi
}

# bench_against KERNEL SECTIONS BISECT: compares with build/bench/reference.json; status 1 where a row got worse.
bench_against() {
    local kernel=$1 sections=$2 bisect=$3 out=$ROOT/build/bench status=0
    rm -f "$out/moved"
    in_sdk python3 -B tools/bench/compare.py build/bench/reference.json "build/bench/$kernel.json" build/bench/moved ||
        status=$?
    if [[ -f $out/moved ]]; then
        if ((bisect)); then
            bench_bisect "$kernel" "$out/reference.json" "$sections"
        else
            bench_tell_commits "$out/reference.json"
        fi
    fi
    return "$status"
}

bench_verb() {
    local kernels=() smp=1 sections='' text_order=0 against='' record='' bisect=0 why kernel
    BENCH_VMMS=floor,floor-aia,rvvmm-profile,rvvmm,qemu
    while (($# > 0)); do
        case $1 in
        --kernel) kernels+=("$2") && shift ;;
        --no-qemu) BENCH_VMMS=${BENCH_VMMS%,qemu} ;;
        --no-smp) smp=0 ;;
        --only) sections=$2 smp=0 && shift ;;
        --against) against=$2 && shift ;;
        --record) record=$2 && shift ;;
        --bisect) bisect=1 ;;
        --text-order) text_order=1 ;;
        --help | -h) bench_usage && return ;;
        *) bench_usage >&2 && die "bench: what is $1?" ;;
        esac
        shift
    done
    if [[ $against$record ]] || ((bisect)); then
        ((${#kernels[@]} == 1)) || die "bench --against, --bisect and --record are for one kernel: give --kernel latest or 6.12"
        [[ -z $against || -f $against ]] || die "bench --against $against: no such file; --record makes one"
        # Of the floors, the one that is compared with on another kernel.
        if [[ -z $record ]]; then BENCH_VMMS=floor-aia,rvvmm; fi
        if ((bisect)); then
            [[ $against ]] || die "bench --bisect: since when? Give --against FILE"
            why=$(bench_has_commit "$against") || die "bench --bisect: --against $against: $why"
            [[ $(bench_commit) != *+ ]] ||
                die "bench --bisect: there are changes that are not committed; commit them, or put them away (git stash)"
        fi
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
        bench_against "${kernels[0]}" "$sections" "$bisect"
    fi
}
