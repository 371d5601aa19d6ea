# shellcheck shell=bash
# libFuzzer targets: each starts from the corpus of the repository and keeps what it finds in build/.

fuzz_targets() { (cd "$ROOT" && find build/asan -type f -name 'fuzz_*' -executable | sort); }

# fuzz_one BINARY SECONDS
fuzz_one() {
    local binary=$1 seconds=$2 name
    name=$(basename "$binary")
    mkdir -p "$ROOT/build/fuzz-corpus/$name" "$ROOT/build/fuzz-findings" "$ROOT/tests/fuzz/corpus/${name#fuzz_}"
    in_sdk nice "$binary" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix="build/fuzz-findings/$name-" "build/fuzz-corpus/$name" "tests/fuzz/corpus/${name#fuzz_}"
}

# fuzz [NAME] [SECONDS]: NAME with or without fuzz_; without NAME all of them, SECONDS each (60).
fuzz_verb() {
    local wanted='' seconds=60 binary found=0
    cd "$ROOT"
    [[ ${1:-} =~ ^[0-9]*$ ]] || { wanted=fuzz_${1#fuzz_} && shift; }
    [[ -z ${1:-} ]] || seconds=$1
    setup_all
    build_preset asan
    for binary in $(fuzz_targets); do
        [[ -z $wanted || $(basename "$binary") == "$wanted" ]] || continue
        found=1
        say "==> $binary for $seconds s"
        fuzz_one "$binary" "$seconds"
    done
    ((found)) || die "no such fuzz target: $wanted"
}
