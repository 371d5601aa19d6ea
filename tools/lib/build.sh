# shellcheck shell=bash
# Configure and build, format, lint, clean.
build_preset() {
    local preset=$1
    in_sdk nice cmake --preset "$preset" >"$CACHE/logs/configure-$preset.log" 2>&1 ||
        { cat "$CACHE/logs/configure-$preset.log" >&2 && die "configuring $preset failed"; }
    in_sdk nice cmake --build "build/$preset" >&2
}
build_verb() {
    cd "$ROOT"
    setup_all
    (($# > 0)) || set -- riscv64
    local preset
    for preset in "$@"; do build_preset "$preset"; done
}
