# shellcheck shell=bash
# Configure and build, format, lint, clean.

build_preset() {
    in_sdk nice cmake --preset "$1"
    in_sdk nice cmake --build "build/$1"
}

build_verb() {
    local preset
    cd "$ROOT"
    setup_all
    (($# > 0)) || set -- "$(default_preset)"
    for preset in "$@"; do build_preset "$preset"; done
}

default_preset() { if on_riscv64; then echo riscv64-native; else echo riscv64; fi; }

# Names of files of ours, relative to the root, one per line.
cpp_sources() { (cd "$ROOT" && find src tests -name '*.cpp' -o -name '*.hpp' | sort); }
shell_scripts() {
    (cd "$ROOT" && {
        printf '%s\n' tools/dev .ci/run
        find tools/lib -name '*.sh'
        find tools/host tools/guest tools/debian -type f -exec grep -lE '^#!/bin/(ba)?sh' {} +
    } | sort)
}

fmt_verb() {
    cd "$ROOT"
    setup_all
    cpp_sources | in_sdk xargs -r clang-format -i --style=file
}

check_format() { cpp_sources | in_sdk xargs -r clang-format --dry-run --Werror --style=file; }

check_shell() { shell_scripts | in_sdk xargs shellcheck --severity=warning; }

# check_tidy deep|shallow [FOLDER...]: clang-tidy on every .cpp (of these folders), with the commands of a build for
# riscv64, which has all of them: one that is only configured, file by file, since the other compiles batches. A file
# already found clean with the same headers and the same checks is not read again. Shallow: the analyzer follows fewer
# paths, and inlines less, and 16 files are read as one; all other checks are the same, and it takes a tenth of the
# time.
check_tidy() {
    local depth=$1 headers folders together=1
    shift
    [[ $depth == deep ]] || together=16
    folders=${*:-src tests/unit tests/integration}
    in_sdk cmake --preset riscv64 -B build/tidy -D RVVMM_BUILD_IN_BATCHES=OFF >/dev/null
    mkdir -p "$CACHE/tidy"
    headers=$(cpp_sources | grep '\.hpp$' | (cd "$ROOT" && xargs cat .clang-tidy tests/.clang-tidy) | sha256sum)
    cpp_sources | grep -E "^(${folders// /|})/.*\.cpp$" |
        in_sdk xargs -r -n "$together" -P "$(nproc)" bash tools/lib/tidy-files.sh "$(hash_of "$headers" "$SDK")" "$depth"
}

lint_verb() {
    cd "$ROOT"
    setup_all
    say "==> clang-format" && check_format
    say "==> shellcheck" && check_shell
    say "==> clang-tidy" && check_tidy deep
}

clean_verb() {
    rm -rf "$ROOT/build"
    [[ ${1:-} == --all ]] || return 0
    prepare_cache
    flock --nonblock --exclusive "$USE_LOCK" || die "another tools/dev is using the cache"
    rm -rf "$CACHE"
}
