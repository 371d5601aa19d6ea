# shellcheck shell=bash
# tools/dev sbi-table: draws docs/sbi-conformance.md from what the guest sbi_conformance sees on each emulated host.

# run_sbi_guest KERNEL FILE [OPTION...]: the options are the host's.
run_sbi_guest() {
    local kernel=$1 file=$2 build=build/riscv64
    shift 2
    say "==> SBI calls on Linux $kernel"
    (host_run --pipe --kernel "$kernel" --timeout 300 "$@" -- "$build/rvvmm" --kernel \
        "$build/tests/guests/sbi_conformance" --mem 64M --smp 2 --no-reboot </dev/null) >"$file"
}

sbi_table_verb() {
    local out=$ROOT/build/sbi-table runs=() kernel
    (($# == 0)) || die "sbi-table: what is $1?"
    on_riscv64 && die "sbi-table: needs the emulated hosts, one for each kernel, and this machine is a host itself"
    cd "$ROOT"
    setup_all
    build_preset riscv64
    mkdir -p "$out"
    for kernel in "${KERNELS[@]}"; do
        # With a PMU, which the hosts of the tests do without.
        run_sbi_guest "$kernel" "$out/$kernel.lines" --pmu
        runs+=("$kernel=$(<"$CACHE/kernels/$kernel/version")=build/sbi-table/$kernel.lines")
    done
    in_sdk python3 tools/sbi-conformance.py draw "${runs[@]}" >"$out/sbi-conformance.md"
    cp "$out/sbi-conformance.md" "$ROOT/docs/sbi-conformance.md"
    say "==> docs/sbi-conformance.md: $(grep -c '^| ' "$ROOT/docs/sbi-conformance.md") rows"
}

# sbi_answers_are_documented FILE KERNEL: the lines of a test run against the document.
sbi_answers_are_documented() {
    [[ -f $ROOT/$1 ]] || { echo "error: the tests left no $1" && return 1; }
    local version=$CACHE/kernels/$2/version
    if [[ -f $version ]]; then version=$(<"$version"); else version=$(uname -r); fi # a RISC-V machine is its own host
    in_sdk python3 tools/sbi-conformance.py check docs/sbi-conformance.md "$2" "$version" "$1"
}
