# shellcheck shell=bash
# Pages that we make, in a browser: those of `rvvmm report --html` and of tools/dev bench.

# Chromium without a window, and what of its libraries the SDK lacks: it runs in the SDK, out of browser/ of the cache.
# 126 MB to fetch, of no use to anything else, hence not in the SDK. It is no dependency of a build, so no version of it
# is asked for.
fetch_browser() {
    local target=$1 suite archives deb
    suite=$(served_suite "$SDK_SUITE" amd64,riscv64)
    archives=$CACHE/apt/$suite-amd64,riscv64/archives
    rm -rf "$target" && mkdir -p "$target"
    rm -f "$archives"/*.deb
    retry suite_apt "$suite" amd64,riscv64 apt-get install --yes --no-install-recommends --download-only \
        -o Dir::State::status="$SDK/var/lib/dpkg/status" chromium-headless-shell
    for deb in "$archives"/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$target" --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
            --exclude='./usr/share/locale/*' --exclude='*/libgallium-*' --exclude='*/libVk*'
    done
    rm -f "$archives"/*.deb
}

browser_setup() {
    local key
    key=$(hash_of "${SDK##*/}" "$(declare -f fetch_browser)")
    if stamped "$CACHE/browser" "$key"; then return; fi
    PROGRESS=packages_progress step "Chromium, to open pages in (126 MB)" browser fetch_browser "$CACHE/tmp/browser"
    put_in_place "$CACHE/tmp/browser" "$CACHE/browser"
    stamp "$CACHE/browser" "$key"
}

# What of our own a user opens in a browser. First that the test sees mistakes: pages that have one each.
page_phase() {
    local status=0
    PHASE=page as_one_test browser browser_for_pages
    PHASE=page as_one_test mistakes open_pages --self-test || status=1
    PHASE=page as_one_test report report_pages_show || status=1
    PHASE=page as_one_test figures figures_page_shows || status=1
    return "$status"
}

# A browser that cannot be had is a failure.
browser_for_pages() {
    build_target riscv64 rvvmm
    with_setup_lock browser_setup
}

open_pages() { in_sdk python3 tools/lib/open-pages.py /cache/browser build/results/page "$@"; }

# A profile of a Linux guest with two harts, which gives 309 plots: histograms of each row and the timeline. And the same
# one beside another.
report_pages_show() {
    local out=build/results/page profile=tests/pages/linux-two-harts.json
    rvvmm_report "$profile" --html "$out/report.html" &&
        rvvmm_report "$profile" --against tests/pages/linux-before.json --html "$out/report-against.html" &&
        open_pages "$out/report.html=309" "$out/report-against.html=309"
}
rvvmm_report() { in_sdk qemu-riscv64 build/riscv64/rvvmm report "$@"; }

# What tools/dev bench draws of a run with all sections and columns, that of an earlier docs/benchmarks.md: 69 rows that
# are not 0.
figures_page_shows() {
    in_sdk python3 -B tools/bench/plots.py tests/pages/figures.json build/results/page/figures.html &&
        open_pages build/results/page/figures.html=69
}
