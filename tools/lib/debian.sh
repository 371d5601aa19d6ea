# shellcheck shell=bash
# Disk images for guests: cache/images/debian/{debian.img,extents,vmlinuz,initrd.img,ssh_key,ssh_key.pub}.
# See docs/images.md.

DEBIAN_SUITE=trixie
# ELF, 64 bit, little endian, EM_RISCV (243): what the kernel hands to QEMU (binfmt_misc(5) has the format).
# F: the interpreter is opened as this is registered, so it is found from any root. P: argv[0] stays as it is.
RISCV64_FORMAT=':rvvmm-riscv64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xf3\x00'
RISCV64_FORMAT+=':\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:'

image_usage() {
    cat <<'EOF'
usage: tools/dev image NAME

Makes a disk image for guests, in images/NAME of the cache. There is:

  debian    Debian 13: systemd, ssh, fio, curl; root's password is "rvvmm" (docs/images.md)
EOF
}

image_verb() {
    case ${1:-} in
    '' | help | --help | -h) image_usage ;;
    debian)
        (($# == 1)) || die "image: what is $2? An image has no options: tools/dev image debian"
        setup_all
        with_lock debian-image debian_image_setup
        say "ready: $CACHE/images/debian/{debian.img,vmlinuz,initrd.img,ssh_key}"
        ;;
    *) die "image: no image is named $1; there is: debian" ;;
    esac
}

debian_image_key() {
    local inputs
    mapfile -t inputs < <(cd "$ROOT/tools/debian" && find . -type f | sort)
    hash_of "$DEBIAN_SUITE" "${inputs[@]}" "${inputs[@]/#/$ROOT/tools/debian/}" \
        "$(declare -f fetch_debian_packages make_debian_tree make_debian_image)"
}

debian_image_setup() {
    local key image=$CACHE/images/debian work=$CACHE/tmp/debian
    key=$(debian_image_key)
    if stamped "$image" "$key"; then return; fi
    need_host_tools e2fsprogs openssh-client
    find_riscv64_formats
    # Packages that were fetched are there still after a failure later.
    if ! stamped "$work/packages" "$key"; then
        PROGRESS=packages_progress with_setup_lock step "packages of the Debian guest (190 MB)" debian-packages \
            fetch_debian_packages "$work/packages"
        stamp "$work/packages" "$key"
    fi
    PACKAGES=$(find "$work/packages" -name '*.deb' | wc -l) PROGRESS=packages_progress \
        step "installing them (two minutes or more)" debian-tree make_debian_tree "$work/packages" "$work/tree"
    step "disk image of them" debian-image make_debian_image "$work/tree" "$work/image"
    in_sdk python3 "$(inner_path "$ROOT")/tools/lib/extents.py" "$(inner_path "$work/image")/debian.img" \
        >"$work/image/extents"
    put_in_place "$work/image" "$image"
    stamp "$image" "$key"
    rm -rf "$work"
}

# fetch_debian_packages TARGET: what tools/debian/packages names, the essential packages, and all they depend on.
fetch_debian_packages() {
    local target=$1 suite packages archives install
    mapfile -t packages < <(awk '!/^#/ { print $1 }' "$ROOT/tools/debian/packages")
    suite=$(served_suite "$DEBIAN_SUITE" riscv64)
    archives=$CACHE/apt/$suite-riscv64/archives
    install=(suite_apt "$suite" riscv64 apt-get install --yes --no-install-recommends)
    rm -rf "$target" && mkdir -p "$target"
    "${install[@]}" --print-uris '?essential' | awk '/^\x27/ { print $2 }' >"$target/essential"
    retry "${install[@]}" --download-only '?essential' "${packages[@]}"
    mv "$archives"/*.deb "$target/"
}

make_debian_tree() {
    local folder=$1 tree=$2
    rm -rf "$tree" && mkdir -p "$tree"/{dev,proc}
    cd "$ROOT"
    RVVMM_TREE=$(inner_path "$tree")
    export RVVMM_TREE
    in_sdk_with_riscv64 bash tools/debian/install "$(inner_path "$folder")" "$RVVMM_TREE"
}

# in_sdk_with_riscv64 CMD...: as in_sdk, and riscv64 programs can be executed in any root in there; RVVMM_TREE has /dev
# and /proc.
in_sdk_with_riscv64() {
    if on_riscv64; then
        # shellcheck disable=SC2016 # expanded inside
        unshare --mount bash -ec 'mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec "$@"' \
            "$RVVMM_TREE" "$@"
    elif [[ $RISCV64_FORMATS == machine ]]; then
        in_sdk "$@"
    else
        sdk_command "$@"
        in_user_namespace unshare --mount bash "$ROOT/tools/lib/with-riscv64.sh" \
            "$RISCV64_FORMAT$SDK/usr/bin/qemu-riscv64:PF" "${SDK_COMMAND[@]}"
    fi
}

# Whether the machine executes riscv64 programs as it is, or in a user namespace with formats of its own, which Linux
# has since 6.7. Tried in a root without QEMU: a format that does not keep its interpreter open is of no use.
find_riscv64_formats() {
    local try=(chroot /opt/riscv64 /usr/bin/busybox true)
    RISCV64_FORMATS=machine
    if on_riscv64 || in_sdk "${try[@]}" 2>/dev/null; then return; fi
    RISCV64_FORMATS=own
    # A user namespace does not get to load it.
    modprobe binfmt_misc 2>/dev/null || true
    if in_sdk_with_riscv64 "${try[@]}" 2>/dev/null; then return; fi
    die "image: riscv64 programs cannot be executed here: it takes Linux 6.7 with binfmt_misc (this is $(uname -r))," \
        "or a format for riscv64 registered with flag F, as qemu-user-binfmt does"
}

# Root there is root here, and so is each other user: files get the owners they ought to have.
in_user_namespace() {
    local pid go
    go=$(mktemp -u "$CACHE/tmp/go.XXXXXX")
    mkfifo "$go"
    # shellcheck disable=SC2016 # expanded inside
    setpriv --pdeathsig KILL unshare --user bash -c 'read -r <"$0" && exec "$@"' "$go" "$@" &
    pid=$!
    until [[ $(readlink "/proc/$pid/ns/user") != "$(readlink /proc/self/ns/user)" ]]; do
        if ! kill -0 "$pid" 2>/dev/null; then rm "$go" && return 1; fi
        sleep 0.1
    done
    echo '0 0 65536' >"/proc/$pid/uid_map"
    echo '0 0 65536' >"/proc/$pid/gid_map"
    echo >"$go"
    rm "$go"
    wait "$pid"
}

# As few blocks as possible: a test copies what is not a hole. A journal of 16 MiB; inodes for twice the files; nothing
# that the first mount would have to complete.
make_debian_image() {
    local tree=$1 target=$2
    rm -rf "$target" && mkdir -p "$target"
    ssh-keygen -q -t ed25519 -N '' -C rvvmm-test -f "$target/ssh_key"
    install -D -m 600 "$target/ssh_key.pub" "$tree/root/.ssh/authorized_keys"
    chmod 700 "$tree/root/.ssh"
    cp "$tree"/boot/vmlinu[xz]-* "$target/vmlinuz"
    cp "$tree"/boot/initrd.img-* "$target/initrd.img"
    is_plain_image "$target/vmlinuz"
    mke2fs -q -t ext4 -L rvvmm -d "$tree" -m 0 -N 32768 -J size=16 \
        -E lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0 "$target/debian.img" 1G
    e2fsck -fn "$target/debian.img"
    du -h "$target"/*
}
