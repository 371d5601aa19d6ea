# shellcheck shell=bash
# The initramfs of the emulated host (one per kernel), that of the Linux guest (one for both kernels), and ext4.

# What the host needs to reach /dev/kvm and the build tree, and what tests of devices may want.
HOST_MODULES=(kvm 9pnet_virtio 9p virtio_console virtio_blk tun vhost_net vhost_vsock loop)
GUEST_MODULES=(
    virtio_mmio virtio_blk virtio_net virtio_console virtio_balloon virtio-rng virtio_pmem virtio_input evdev
    9pnet_virtio 9p virtiofs vmw_vsock_virtio_transport
)

# add_modules TREE KERNEL MODULE...: copies modules and what they need, decompressed: busybox reads no xz modules.
# Runs in the SDK. A module that a kernel lacks, or has built in, is left out.
add_modules() {
    local tree=$1 kernel=$2 version module path copy
    shift 2
    version=$(<"$kernel/version")
    mkdir -p "$tree/lib/modules/$version"
    for module in "$@"; do
        modprobe --dirname "$kernel" --set-version "$version" --show-depends "$module" || true
    done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r path; do
        copy=$tree/${path#"$kernel/"}
        mkdir -p "$(dirname "$copy")"
        case $path in
        *.xz) xz -dc "$path" >"${copy%.xz}" ;;
        *.zst) zstd -qdc "$path" >"${copy%.zst}" ;;
        *) cp "$path" "$copy" ;;
        esac
    done
    # Without the list of places where ftrace may hook in. The kernel patches all of them as it loads a module, each
    # with a TLB and an instruction cache flush, which takes an emulated machine four seconds for these modules.
    find "$tree/lib/modules/$version" -name '*.ko' -exec \
        "$RISCV64_STRIP" --strip-debug --remove-section=__patchable_function_entries {} +
    cp "$kernel/lib/modules/$version"/modules.{builtin,order} "$tree/lib/modules/$version/"
    depmod --basedir "$tree" "$version"
    rm -f "$tree/lib/modules/$version"/modules.*.bin "$tree/lib/modules/$version/modules.symbols"
}

# base_tree TREE: directories, busybox with a link per applet (making them at each boot would cost seconds), and nodes
# that the kernel needs before init can mount devtmpfs.
base_tree() {
    local tree=$1 applet
    mkdir -p "$tree"/{dev,proc,sys,run,tmp,root,mnt,etc,var,usr/bin,usr/sbin,usr/lib}
    chmod 755 "$tree" # not everyone in there is root
    ln -s usr/bin "$tree/bin"
    ln -s usr/sbin "$tree/sbin"
    ln -s usr/lib "$tree/lib"
    cp "$RISCV64_BIN/busybox" "$tree/usr/bin/busybox"
    for applet in $("${RUN_RISCV64[@]}" "$RISCV64_BIN/busybox" --list); do
        [[ $applet == busybox ]] || ln -s busybox "$tree/usr/bin/$applet"
    done
    printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'nobody:x:65534:65534:nobody:/:/bin/false' >"$tree/etc/passwd"
    printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' >"$tree/etc/group"
    mknod -m 600 "$tree/dev/console" c 5 1
    mknod -m 666 "$tree/dev/null" c 1 3
}

# Files sorted and all of one date, so that the same inputs give the same archive.
pack_tree() {
    (cd "$1" && find . -exec touch --no-dereference --date=@0 {} + &&
        find . -print0 | sort -z | cpio --null --create --format=newc --reproducible --owner=0:0 --quiet) >"$2.tmp"
    mv "$2.tmp" "$2"
}

make_host_image() {
    local kernel=$1 tree
    tree=$(mktemp -d)
    base_tree "$tree"
    cp "$RISCV64_BIN/bash-static" "$tree/usr/bin/bash"
    # Dynamic programs of the build tree find their loader and libraries in the SDK.
    ln -s /sdk/usr/lib/riscv64-linux-gnu "$tree/usr/lib/riscv64-linux-gnu"
    ln -s riscv64-linux-gnu/ld-linux-riscv64-lp64d.so.1 "$tree/usr/lib/ld-linux-riscv64-lp64d.so.1"
    ln -s /sdk/opt/riscv64/usr/bin/passt "$tree/usr/bin/passt"
    mkdir -p "$tree"/{src,cache,sdk,export,newroot}
    cp tools/host/init "$tree/init"
    chmod 755 "$tree/init"
    add_modules "$tree" "$INNER_CACHE/kernels/$kernel" "${HOST_MODULES[@]}"
    pack_tree "$tree" "$INNER_CACHE/images/host-$kernel.cpio"
    rm -rf "$tree"
}

make_guest_image() {
    local tree kernel
    tree=$(mktemp -d)
    base_tree "$tree"
    cp tools/guest/init "$tree/init"
    mkdir -p "$tree/tests"
    cp tools/guest/tests/* "$tree/tests/"
    cp tools/guest/finish "$tree/usr/bin/finish"
    chmod -R 755 "$tree/init" "$tree/tests" "$tree/usr/bin/finish"
    for kernel in "${KERNELS[@]}"; do
        add_modules "$tree" "$INNER_CACHE/kernels/$kernel" "${GUEST_MODULES[@]}"
    done
    pack_tree "$tree" "$INNER_CACHE/images/guest.cpio"
    rm -rf "$tree"
}

# ext4 for kernels whose images do without: /ext4/VERSION/ has the modules, named in the order in which they are loaded;
# and a file system. Guests take the archive behind their initramfs, the emulated host unpacks it.
make_ext4_image() {
    local tree kernel version folder number path
    tree=$(mktemp -d)
    chmod 755 "$tree"
    for kernel in "${KERNELS[@]}"; do
        add_modules "$tree" "$INNER_CACHE/kernels/$kernel" ext4
        version=$(<"$INNER_CACHE/kernels/$kernel/version")
        folder=$tree/ext4/$version number=10
        mkdir -p "$folder"
        for path in $(modprobe --dirname "$INNER_CACHE/kernels/$kernel" --set-version "$version" --show-depends ext4 |
            awk '$1 == "insmod" { print $2 }'); do
            path=${path#"$INNER_CACHE/kernels/$kernel/"} path=${path%.[xz][zs]*}
            # A third of its size without the labels that the assembler made for the linker.
            "$RISCV64_STRIP" --strip-unneeded -o "$folder/$number-${path##*/}" "$tree/$path"
            number=$((number + 1))
        done
    done
    rm -rf "${tree:?}/lib"
    pack_tree "$tree" "$INNER_CACHE/images/ext4.cpio"
    rm -rf "$tree"
    # Nothing is left that the first mount would have to complete.
    rm -f "$INNER_CACHE/images/ext4.img"
    mke2fs -q -t ext4 -b 4096 -N 1024 -J size=4 -E lazy_itable_init=0,lazy_journal_init=0 "$INNER_CACHE/images/ext4.img" 16M
}

# Runs one of the functions above in the SDK; on RISC-V, which has none, with this machine's own programs.
in_sdk_function() {
    local INNER_CACHE RISCV64_BIN=/opt/riscv64/usr/bin RUN_RISCV64=(qemu-riscv64) RISCV64_STRIP=riscv64-linux-gnu-strip
    INNER_CACHE=$(inner_path "$CACHE")
    if on_riscv64; then RISCV64_BIN=/usr/bin RUN_RISCV64=(env) RISCV64_STRIP=strip; fi
    in_sdk bash -ec "set -o pipefail
        $(declare -p HOST_MODULES GUEST_MODULES KERNELS INNER_CACHE RISCV64_BIN RUN_RISCV64 RISCV64_STRIP)
        $(declare -f add_modules base_tree pack_tree make_host_image make_guest_image make_ext4_image)
        $(printf '%q ' "$@")"
}

# image_setup NAME TITLE KEY FUNCTION...: makes cache/images/NAME.cpio where its inputs have changed.
image_setup() {
    local image=$CACHE/images/$1.cpio title=$2 key=$3
    if stamped "$image" "$key"; then return; fi
    step "$title" "image-$1" in_sdk_function "${@:4}"
    stamp "$image" "$key"
}

images_setup() {
    local key kernel common
    common=$(hash_of "$(declare -f add_modules base_tree pack_tree make_host_image make_guest_image)" "$SDK_CORE_KEY" \
        "${HOST_MODULES[@]}" "${GUEST_MODULES[@]}" "$CACHE"/kernels/*/version)
    key=$(hash_of "$common" "$ROOT/tools/host/init")
    for kernel in "${KERNELS[@]}"; do
        on_riscv64 || image_setup "host-$kernel" "initramfs of the $kernel host" "$key" make_host_image "$kernel"
    done
    key=$(hash_of "$common" "$ROOT"/tools/guest/{init,finish} "$ROOT"/tools/guest/tests/*)
    image_setup guest "initramfs of the guest" "$key" make_guest_image
    key=$(hash_of "$(declare -f add_modules pack_tree make_ext4_image)" "$SDK_CORE_KEY" "$CACHE"/kernels/*/version)
    image_setup ext4 "ext4 for guests" "$key" make_ext4_image
}

# All that any verb needs; and what boots a guest.
setup_all() { with_setup_lock setup_steps full "$@"; }
setup_core() { with_setup_lock setup_steps core; }

# setup_steps core|full [--refresh]
setup_steps() {
    local sdk=$1
    shift
    if on_riscv64; then
        native_setup
    else
        sdk_host_setup
        sdk_names "$sdk"
        if [[ ! -d $SDK ]]; then
            start_kernels "$@"
            sdk_setup "$sdk"
        fi
    fi
    kernels_setup "$@"
    images_setup
}

setup_verb() {
    setup_all "$@"
    say "ready: ${SDK:+SDK $SDK, }kernels and images in $CACHE/{kernels,images}"
}
