# shellcheck shell=bash
# The SDK: a Debian 13 root with native and RISC-V compilers, QEMU and riscv64 libraries, entered by chroot.
# The same on every machine, so that a build does not depend on what the machine has.

SDK_SUITE=trixie
SDK_TOOLS=(
    g++ g++-riscv64-linux-gnu libstdc++-14-dev make
    clang-19 clang clang-tidy clang-format libclang-rt-19-dev llvm-19 lld
    cmake ninja-build ccache git gdb-multiarch strace
    qemu-system-riscv qemu-system-data qemu-user opensbi device-tree-compiler
    shellcheck python3 file cpio gzip xz-utils zstd kmod e2fsprogs
    libc6-dev:riscv64 libstdc++6:riscv64 libgcc-s1:riscv64
)
# Installed for amd64 and riscv64 side by side: all of them are Multi-Arch: same.
SDK_LIBRARIES=(
    libboost-program-options-dev libspdlog-dev libfmt-dev libgtest-dev libgmock-dev libfdt-dev zlib1g-dev libzstd-dev
    liburing-dev
)
# Nothing but headers, the same for every architecture.
SDK_HEADERS=(nlohmann-json3-dev)

make_sdk() {
    local target=$1 suite include package scheme proxy=() PROXY
    suite=$(SDK='' served_suite "$SDK_SUITE" amd64,riscv64)
    for scheme in http https; do
        eval "$(apt-config shell PROXY "Acquire::$scheme::Proxy")"
        [[ -z ${PROXY:-} ]] || proxy+=(--aptopt="Acquire::$scheme::Proxy \"$PROXY\"")
        PROXY=''
    done
    include=("${SDK_TOOLS[@]}" "${SDK_HEADERS[@]}")
    for package in "${SDK_LIBRARIES[@]}"; do include+=("$package:amd64" "$package:riscv64"); done
    # Documentation is left out: it is a fifth of the size. force-unsafe-io: a cut build is made again anyway.
    # shellcheck disable=SC2016 # expanded inside
    retry sh -c 'rm -rf "$0" && exec mmdebstrap "$@"' "$target" --variant=apt \
        --architectures=amd64,riscv64 --include="$(IFS=, && echo "${include[*]}")" \
        --aptopt='Apt::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' "${proxy[@]}" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io \
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

sdk_setup() {
    local key
    [[ $(uname -m) == x86_64 ]] || die "the SDK is for x86-64 machines (on riscv64, tools/dev builds natively)"
    need_host_tools mmdebstrap debian-archive-keyring util-linux ca-certificates
    unshare --mount true 2>/dev/null || die "cannot unshare mounts: run as root, with CAP_SYS_ADMIN"
    key=$(hash_of "$SDK_SUITE" "${SDK_TOOLS[@]}" "${SDK_LIBRARIES[@]}" "${SDK_HEADERS[@]}" "$(declare -f make_sdk)")
    SDK=$CACHE/sdk-$key
    [[ -d $SDK ]] && return
    rm -rf "$CACHE"/sdk.tmp.*
    step "SDK: Debian $SDK_SUITE with cross compilers and QEMU (2.4 GB, a minute or two)" sdk make_sdk "$CACHE/sdk.tmp.$$"
    put_in_place "$CACHE/sdk.tmp.$$" "$SDK"
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
    SDK=''
    need_host_tools g++ cmake ninja-build "${SDK_LIBRARIES[@]}" "${SDK_HEADERS[@]}" busybox-static cpio xz-utils \
        zstd kmod python3 device-tree-compiler e2fsprogs
}

sdk_verb() {
    setup_all
    (($# > 0)) || set -- bash
    in_sdk "$@"
}
