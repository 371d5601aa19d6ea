# shellcheck shell=bash
# The SDK: a Debian 13 root with native and RISC-V compilers, QEMU and riscv64 libraries, entered by chroot.
# The same on every machine, so that a build does not depend on what the machine has.

SDK_SUITE=trixie
# What builds rvvmm and boots a guest in the emulated host.
SDK_CORE=(
    g++-riscv64-linux-gnu cmake ninja-build ccache
    qemu-system-riscv qemu-system-data qemu-user opensbi
    cpio gzip xz-utils zstd kmod e2fsprogs
    libc6-dev:riscv64 libstdc++6:riscv64 libgcc-s1:riscv64
)
# What the other verbs need besides.
SDK_TOOLS=(
    g++ libstdc++-14-dev make
    clang-19 clang clang-tidy clang-format libclang-rt-19-dev llvm-19 lld
    git gdb-multiarch strace device-tree-compiler shellcheck python3 file
)
# Installed for amd64 and riscv64 side by side, in the core for riscv64 only: all of them are Multi-Arch: same.
SDK_LIBRARIES=(
    libboost-program-options-dev libspdlog-dev libfmt-dev libfdt-dev zlib1g-dev libzstd-dev liburing-dev
)
SDK_TEST_LIBRARIES=(libgtest-dev libgmock-dev)
# Nothing but headers, the same for every architecture.
SDK_HEADERS=(nlohmann-json3-dev)
# Documentation is a fifth of the size, and the emulators of other machines a sixth.
SDK_LEFT_OUT=(
    path-exclude='/usr/share/doc/*' path-exclude='/usr/share/man/*' path-exclude='/usr/share/locale/*'
    path-exclude='/usr/bin/qemu-*' path-include=/usr/bin/qemu-riscv64 path-include='/usr/bin/qemu-system-*'
)

# sdk_packages core|full: one per line.
sdk_packages() {
    printf '%s\n' "${SDK_CORE[@]}" "${SDK_LIBRARIES[@]/%/:riscv64}" "${SDK_HEADERS[@]}"
    [[ $1 == core ]] || printf '%s\n' "${SDK_TOOLS[@]}" "${SDK_LIBRARIES[@]/%/:amd64}" \
        "${SDK_TEST_LIBRARIES[@]/%/:amd64}" "${SDK_TEST_LIBRARIES[@]/%/:riscv64}"
}

# make_sdk TARGET PACKAGE...
make_sdk() {
    local target=$1 suite scheme options=() PROXY
    shift
    suite=$(SDK='' served_suite "$SDK_SUITE" amd64,riscv64)
    for scheme in http https; do
        eval "$(apt-config shell PROXY "Acquire::$scheme::Proxy")"
        [[ -z ${PROXY:-} ]] || options+=(--aptopt="Acquire::$scheme::Proxy \"$PROXY\"")
        PROXY=''
    done
    # force-unsafe-io: a cut build is made again anyway. What is left out is said to dpkg behind the essential packages:
    # mmdebstrap would have a filter in Python read those. Namespaces of its own: what it mounts in there, /proc and more,
    # is gone with it, however it ends.
    # shellcheck disable=SC2016 # expanded inside
    retry unshare --mount --pid --fork --kill-child --propagation private --mount-proc \
        sh -c 'rm -rf --one-file-system "$0" && exec mmdebstrap "$@"' "$target" --verbose --variant=apt \
        --architectures=amd64,riscv64 --include="$(IFS=, && echo "$*")" \
        --aptopt='Apt::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' "${options[@]}" \
        --dpkgopt=force-unsafe-io \
        --essential-hook="printf '%s\n' ${SDK_LEFT_OUT[*]@Q} >\"\$1\"/etc/dpkg/dpkg.cfg.d/left-out" \
        "$suite" "$target" "deb [signed-by=$KEYRING] $(debian_mirror) $suite main"
    # riscv64 programs for the images: their packages would replace the native ones, so they are only unpacked.
    mkdir -p "$target"/{src,cache,opt/riscv64}
    chroot "$target" /bin/sh -ec '
        cd /opt/riscv64 && apt-get -o APT::Sandbox::User=root -o Acquire::Retries=3 update
        apt-get -o APT::Sandbox::User=root -o Acquire::Retries=3 download busybox-static:riscv64 bash-static:riscv64 \
            passt:riscv64
        for deb in *.deb; do dpkg-deb -x "$deb" .; done && rm -f -- *.deb
        rm -rf /var/lib/apt/lists/*'
    # Mount points of what in_sdk and the emulated host bring.
    mkdir -p "$target"/export/{ro/sdk,ro/cache,rw/src,rw/job}
}

# extend_sdk CORE TARGET PACKAGE...: a copy with these packages too. Files are linked, not copied: dpkg replaces a file
# and never writes into one, so the core stays what it is for those who use it.
extend_sdk() {
    local core=$1 target=$2
    shift 2
    # shellcheck disable=SC2016 # expanded inside
    retry unshare --mount --pid --fork --kill-child --propagation private sh -ec '
        core=$1 target=$2 && shift 2
        rm -rf --one-file-system "$target" && cp --archive --link "$core" "$target"
        mount -t proc proc "$target/proc" && mount --rbind /dev "$target/dev"
        export DEBIAN_FRONTEND=noninteractive LC_ALL=C
        chroot "$target" apt-get -o APT::Sandbox::User=root update
        chroot "$target" apt-get -o APT::Sandbox::User=root install --yes "$@"
        rm -rf "$target"/var/lib/apt/lists/* "$target"/var/cache/apt/archives/*.deb' extend "$core" "$target" "$@"
}

# make_full_sdk CORE TARGET PACKAGE...: from nothing where there is no core, or none that it can be made of any more.
make_full_sdk() {
    local core=$1
    shift
    if [[ -d $core ]] && extend_sdk "$core" "$@"; then return; fi
    make_sdk "$@"
}

sdk_host_setup() {
    [[ $(uname -m) == x86_64 ]] || die "the SDK is for x86-64 machines (on riscv64, tools/dev builds natively)"
    need_host_tools mmdebstrap debian-archive-keyring util-linux ca-certificates
    unshare --mount true 2>/dev/null || die "cannot unshare mounts: run as root, with CAP_SYS_ADMIN"
}

# sdk_names core|full: sets SDK to the one that is to be used, SDK_OF_CORE to the smaller one, and SDK_CORE_KEY, which
# changes with what both have.
sdk_names() {
    local made
    made=$(hash_of "$SDK_SUITE" "${SDK_LEFT_OUT[@]}" "$(declare -f make_sdk)")
    SDK_CORE_KEY=$(hash_of "$made" "$(sdk_packages core)")
    SDK_OF_CORE=$CACHE/sdk-core-$SDK_CORE_KEY
    SDK=$CACHE/sdk-$(hash_of "$made" "$(sdk_packages full)")
    [[ $1 == full || -d $SDK ]] || SDK=$SDK_OF_CORE
}

# sdk_setup core|full: expects that sdk_names was called.
sdk_setup() {
    local packages made=$CACHE/sdk.tmp.$$
    [[ -d $SDK ]] && return
    mapfile -t packages < <(sdk_packages "$1")
    rm -rf --one-file-system "$CACHE"/sdk.tmp.*
    if [[ $1 == core ]]; then
        PROGRESS=packages_progress step "SDK: Debian $SDK_SUITE with a cross compiler and QEMU (1.3 GB, about a minute)" \
            sdk make_sdk "$made" "${packages[@]}"
    else
        PROGRESS=packages_progress step "SDK: Debian $SDK_SUITE with compilers, tools and QEMU (2.2 GB, two minutes)" \
            sdk make_full_sdk "$SDK_OF_CORE" "$made" "${packages[@]}"
    fi
    put_in_place "$made" "$SDK"
    prune_sdks
}

# Older SDKs go, unless another tools/dev may be using one.
prune_sdks() {
    local old
    flock --nonblock --exclusive "$USE_LOCK" || return 0
    for old in "$CACHE"/sdk-*; do
        [[ $old == "$SDK" ]] || rm -rf "$old"
    done
    flock --shared "$USE_LOCK"
}

# in_sdk CMD...: runs CMD in the SDK with the repository at /src and the cache at /cache, in the directory that
# corresponds to the present one. Own mount and pid namespaces: no mount and no process is left, however it ends.
in_sdk() {
    sdk_command "$@"
    "${SDK_COMMAND[@]}"
}

# What in_sdk runs, in SDK_COMMAND, for callers that want it in the background: setpriv must be a child of this very
# shell to die with it. Only variables that mean something to our own tools get in. On RISC-V there is no SDK.
sdk_command() {
    local env=() name
    if on_riscv64; then SDK_COMMAND=("$@") && return; fi
    for name in $(compgen -e); do
        case $name in
        RVVMM_CACHE) ;;
        TERM | RVVMM_* | GTEST_* | CTEST_* | CMAKE_* | NINJA_* | ASAN_* | UBSAN_* | TSAN_*) env+=("$name=${!name}") ;;
        esac
    done
    SDK_COMMAND=(
        setpriv --pdeathsig KILL
        unshare --mount --pid --fork --kill-child --propagation private
        bash "$ROOT/tools/lib/enter-sdk.sh" "$SDK" "$ROOT" "$CACHE" "$(inner_directory)"
        env -i PATH=/usr/local/bin:/usr/bin:/usr/sbin HOME=/tmp LANG=C.UTF-8 CCACHE_DIR=/cache/ccache
        CMAKE_CXX_COMPILER_LAUNCHER=ccache CMAKE_C_COMPILER_LAUNCHER=ccache CTEST_OUTPUT_ON_FAILURE=1 "${env[@]}" "$@"
    )
}

# A path of this machine as the SDK and the emulated host see it.
inner_path() {
    if on_riscv64; then
        echo "$1"
    elif [[ $1/ == "$CACHE"/* ]]; then
        echo "/cache${1#"$CACHE"}"
    elif [[ $1/ == "$ROOT"/* ]]; then
        echo "/src${1#"$ROOT"}"
    else
        echo /src
    fi
}
inner_directory() { inner_path "$PWD"; }

# On a RISC-V machine everything is native: no SDK, no emulated host.
native_setup() {
    SDK='' SDK_CORE_KEY=''
    need_host_tools g++ cmake ninja-build "${SDK_LIBRARIES[@]}" "${SDK_TEST_LIBRARIES[@]}" "${SDK_HEADERS[@]}" \
        busybox-static cpio xz-utils zstd kmod python3 device-tree-compiler e2fsprogs
}

sdk_verb() {
    setup_all
    (($# > 0)) || set -- bash
    in_sdk "$@"
}
