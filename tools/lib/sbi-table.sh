# shellcheck shell=bash
# tools/dev sbi-table: draws docs/sbi-conformance.md from what the guest sbi_conformance sees on each emulated host.

# run_sbi_guest KERNEL FOLDER [OPTION...]: leaves FOLDER/sbi-conformance.lines, as a test run does, and by the same
# test. The options are the host's.
run_sbi_guest() {
    local kernel=$1 folder=$2
    shift 2
    say "==> SBI calls on Linux $kernel"
    mkdir -p "$folder"
    (
        RVVMM_ARTIFACTS=$(inner_path "$folder")
        export RVVMM_ARTIFACTS
        host_run --pipe --kernel "$kernel" --timeout 300 "$@" -- "$(integration_binary)" \
            --gtest_filter='SbiConformance.*' --gtest_brief=1 </dev/null >&2
    )
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
        run_sbi_guest "$kernel" "$out/$kernel" --pmu
        runs+=("$kernel=$(<"$CACHE/kernels/$kernel/version")=build/sbi-table/$kernel/sbi-conformance.lines")
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
