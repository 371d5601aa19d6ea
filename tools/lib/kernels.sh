# shellcheck shell=bash
# The two RISC-V kernels, with modules: used for the emulated host and for the Linux guests.
# cache/kernels/NAME/{Image,version,package-version,lib/modules/...}

KERNELS=(6.12 latest)
KERNELS_STARTED='' # the process that fetches them

kernel_field() { awk -v name="$1" -v field="$2" '$1 == name { print $field }' "$ROOT/tools/kernels.conf"; }
kernel_version() { cat "$CACHE/kernels/$1/package-version"; }

# True where this kernel is one that was never seen to work.
kernel_is_newer_than_known() { dpkg --compare-versions "$(kernel_version "$1")" gt "$(kernel_field "$1" 3)"; }

# The packages that hold the image and its modules. Debian 13 has both in one; later ones are split in three.
kernel_packages() {
    local suite=$1 image
    image=$(suite_apt "$suite" riscv64 apt-cache depends --important linux-image-riscv64 |
        awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }')
    [[ -n $image ]] || die "no linux-image-riscv64 in $suite"
    echo "$image"
    suite_apt "$suite" riscv64 apt-cache depends --important "$image" |
        awk '$1 == "Depends:" && $2 ~ /^linux-(base|binary|modules)-[0-9]/ { print $2 }'
}

# RISC-V Image header: magic2 "RSC\5" at 0x38 (Documentation/arch/riscv/boot-image-header.rst).
is_plain_image() { [[ $(dd if="$1" bs=1 skip=56 count=4 status=none | od -An -tx1) == " 52 53 43 05" ]]; }

# What is known to be wanted is in TARGET/size, in bytes; TARGET/fetched is written last.
fetch_kernel() {
    local suite target=$2 packages image package version
    rm -rf "$target" && mkdir -p "$target/debs" "$target/root"
    suite=$(served_suite "$1" riscv64)
    mapfile -t packages < <(kernel_packages "$suite")
    suite_apt "$suite" riscv64 apt-get download --print-uris "${packages[@]}" | awk '{ all += $3 } END { print all }' \
        >"$target/size"
    (cd "$target/debs" && retry suite_apt "$suite" riscv64 apt-get download "${packages[@]}")
    for package in "$target"/debs/*.deb; do dpkg-deb -x "$package" "$target/root"; done
    version=$(basename "$target"/root/usr/lib/modules/*)
    for image in "$target/root/boot/vmlinux-$version" "$target/root/usr/lib/modules/$version/vmlinuz"; do
        [[ ! -f $image ]] || mv "$image" "$target/Image"
    done
    is_plain_image "$target/Image"
    mkdir -p "$target/lib"
    mv "$target/root/usr/lib/modules" "$target/lib/modules"
    echo "$version" >"$target/version"
    dpkg-deb -f "$target"/debs/linux-image-*.deb Version >"$target/package-version"
    rm -rf "$target/debs" "$target/root" "$target/size"
    touch "$target/fetched"
}

# fetch_kernels NAME...: at the same time, since each waits for the mirror and then unpacks on one core.
fetch_kernels() {
    local name pids=() pid status=0
    for name in "$@"; do
        fetch_kernel "$(kernel_field "$name" 2)" "$CACHE/tmp/kernel-$name" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || status=$?; done
    return "$status"
}

kernels_progress() {
    local name target got=0 all=0
    for name in "${KERNELS[@]}"; do
        target=$CACHE/tmp/kernel-$name
        [[ -s $target/size ]] || continue
        all=$((all + $(<"$target/size")))
        got=$((got + $(find "$target/debs" -type f -printf '%s\n' | awk '{ all += $1 } END { print all + 0 }')))
    done
    ((all == 0)) || echo "$((got / 1000000)) of $((all / 1000000)) MB fetched, $2 s"
}

kernels_key() { hash_of "$(declare -f fetch_kernel kernel_packages)"; }

# Names of those that are not there, or of all.
missing_kernels() {
    local name key
    key=$(kernels_key)
    for name in "${KERNELS[@]}"; do
        if ! stamped "$CACHE/kernels/$name" "$key" || [[ ${1:-} == --refresh ]]; then echo "$name"; fi
    done
}

# start_kernels [--refresh]: fetches them while the SDK is made, which keeps one core busy. A process group of its own,
# so that all of it can be ended. If it fails, kernels_setup tries again.
start_kernels() {
    local missing
    mapfile -t missing < <(missing_kernels "$@")
    rm -rf "$CACHE"/tmp/kernel-*
    ((${#missing[@]})) || return 0
    set -m
    (
        set -e
        SDK=''
        fetch_kernels "${missing[@]}"
    ) >"$CACHE/logs/kernels-meanwhile.log" 2>&1 </dev/null &
    KERNELS_STARTED=$!
    set +m
    at_exit stop_kernels
}
stop_kernels() { [[ -z $KERNELS_STARTED ]] || kill -- "-$KERNELS_STARTED" 2>/dev/null; }

# finish_kernels NAME...
finish_kernels() {
    local name missing=()
    if [[ $KERNELS_STARTED ]]; then
        tail --pid="$KERNELS_STARTED" -f /dev/null
    else
        rm -rf "$CACHE"/tmp/kernel-* # of a run that was cut
    fi
    for name in "$@"; do [[ -e $CACHE/tmp/kernel-$name/fetched ]] || missing+=("$name"); done
    fetch_kernels "${missing[@]}"
    for name in "$@"; do
        rm "$CACHE/tmp/kernel-$name/fetched"
        in_sdk depmod -b "$(inner_path "$CACHE/tmp/kernel-$name")" "$(<"$CACHE/tmp/kernel-$name/version")"
    done
}

# kernels_setup [--refresh]: fetched once; --refresh asks the mirror for newer ones.
kernels_setup() {
    local name key known missing
    mapfile -t missing < <(missing_kernels "$@")
    ((${#missing[@]})) || return 0
    PROGRESS=kernels_progress step "kernels ${missing[*]} (110 MB each)" kernels finish_kernels "${missing[@]}"
    KERNELS_STARTED=''
    key=$(kernels_key)
    for name in "${missing[@]}"; do
        put_in_place "$CACHE/tmp/kernel-$name" "$CACHE/kernels/$name"
        stamp "$CACHE/kernels/$name" "$key"
        known=$(kernel_field "$name" 3)
        say "    Linux $(<"$CACHE/kernels/$name/version"), package $(kernel_version "$name"), known good: $known"
        if kernel_is_newer_than_known "$name"; then say "    NOTE: this kernel is newer than the last one known good"; fi
    done
}
