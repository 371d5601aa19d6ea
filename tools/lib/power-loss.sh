# shellcheck shell=bash
# Emulated hosts that lose their power while guests write: QEMU is killed, and what the host had in its page cache is
# gone; what it had flushed to its disks is in their files. A second host then boots the guest again. The guest's part,
# and that of hosts that go on, is in tests/integration/disk_integrity_test.cpp.

# Host kernel, host's interrupt controllers, rvvmm's transport, suboptions of its disks, and how its I/O is done.
POWER_LOSSES=("latest aia pci cached ring" "6.12 none mmio cached blocking")
POWER_LOSSES_OF_FULL_RUN=("latest aia mmio direct ring" "6.12 none pci direct blocking" "6.12 aia pci cached ring"
    "latest none mmio cached blocking" "6.12 none mmio direct ring" "latest aia pci direct blocking")

power_loss_phases() {
    local kernel loss losses=("${POWER_LOSSES[@]}") of_kernel
    ((TEST_FULL)) && losses+=("${POWER_LOSSES_OF_FULL_RUN[@]}")
    forget_known_kernels
    for kernel in "${KERNELS[@]}"; do
        of_kernel=()
        for loss in "${losses[@]}"; do
            if [[ $loss == "$kernel "* && " ${TEST_HOSTS[*]/:/ } " == *" ${loss% * * *} "* ]]; then of_kernel+=("$loss"); fi
        done
        ((${#of_kernel[@]} == 0)) || phase_on "$kernel" "power-loss-$kernel" power_loss_phase "${of_kernel[@]}"
    done
}

power_loss_phase() {
    local status=0 loss kernel=${1%% *}
    build_target riscv64 rvvmm
    build_target riscv64 guest_disk_records
    # Not by "||", within which errexit is off; and as_one_test turns it on.
    set +e
    for loss in "$@"; do
        # shellcheck disable=SC2086 # five words
        (PHASE=power-loss-$kernel as_one_test "${loss// /_}" power_loss $loss)
        # shellcheck disable=SC2181 # see above
        (($? == 0)) || status=1
    done
    set -e
    return "$status"
}

power_loss() {
    local folder=$RESULTS/power-loss-$1 host name last=() seconds durable
    echo "== $*"
    power_loss_files "$folder"
    power_loss_host "$folder" "$@" 0,0,0 '' >"$folder/first.out" 2>&1 &
    host=$!
    # shellcheck disable=SC2064 # this one
    trap "kill -KILL $host 2>/dev/null || true" EXIT
    for name in cached direct file; do power_loss_waits_for "durable $name" "$folder/first.out" "$host"; done
    seconds=$((RANDOM % 3)).$((RANDOM % 10))
    sleep "$seconds"
    # All that belongs to it dies with it: sdk_command.
    kill -KILL "$host"
    wait "$host" 2>/dev/null || true
    trap - EXIT
    nobody_has_open "$folder/records.img"
    for name in cached direct file; do last+=("$(last_durable "$name" "$folder/first.out")"); done
    echo "power lost after $seconds s more: durable cached ${last[0]}, direct ${last[1]}, file ${last[2]}"
    disk_records check "$folder/records.img" 0 "${last[0]}"
    disk_records check "$folder/records.img" 1 "${last[1]}"
    durable=$(IFS=, && echo "${last[*]}")
    (power_loss_host "$folder" "$@" "$durable" records.last) >"$folder/second.out" 2>&1 || {
        cat "$folder/second.out"
        echo "error: the guest did not find what it had been told of"
        return 1
    }
    grep -a 'disk-records:\|recovery complete\|records: in order' "$folder/second.out"
    grep -qa 'recovery complete' "$folder/second.out" || { echo "error: no journal was replayed" && return 1; }
    in_sdk e2fsck -fn "$(inner_path "$folder/ext4.img")"
}

power_loss_files() {
    local folder=$1 tree=$1/tree
    rm -rf "$tree" "$folder"/*.{img,out} && mkdir -p "$tree/usr/bin"
    cp build/riscv64/tests/guests/disk_records "$tree/usr/bin/disk-records"
    chmod 755 "$tree"
    in_sdk bash -ec "$(declare -f pack_tree); pack_tree '$(inner_path "$tree")' '$(inner_path "$folder/programs.cpio")'"
    cat "$CACHE"/images/guest.cpio "$CACHE"/images/ext4.cpio "$folder/programs.cpio" >"$folder/initrd"
    truncate -s 32M "$folder/records.img"
    cp --sparse=always "$CACHE/images/ext4.img" "$folder/ext4.img"
}

# power_loss_host FOLDER KERNEL IRQCHIP TRANSPORT CACHED|DIRECT RING|BLOCKING DURABLE WORDS: boots the host and the guest.
power_loss_host() {
    local folder=$1 kernel=$2 irqchip=$3 transport=$4 suboption='' forbid=0 cache
    [[ $5 == cached ]] || suboption=,direct
    [[ $6 == ring ]] || forbid=2
    cache=$(inner_path "$CACHE")
    # shellcheck disable=SC2016 # expanded inside
    exec "$ROOT/tools/dev" host --pipe --kernel "$kernel" --irqchip "$irqchip" --timeout 1200 \
        --lasting-disk "$folder/records.img" --lasting-disk "$folder/ext4.img" -- \
        sh -c 'sysctl -q kernel.io_uring_disabled="$1" && shift && exec "$@"' sh "$forbid" \
        build/riscv64/rvvmm --kernel "$cache/kernels/latest/Image" --initrd "$(inner_path "$folder/initrd")" --smp 2 \
        --mem 512M --transport "$transport" --disk "/dev/vda$suboption" --disk "/dev/vdb$suboption" \
        --log-level devices=info --append "console=ttyS0 quiet rvvmm.test=records records.durable=$7 $8" </dev/null
}

# nobody_has_open FILE: waits for that. What QEMU still has to write must be in the file.
nobody_has_open() {
    local end=$((SECONDS + 60))
    while ((SECONDS < end)); do
        [[ $(find -L /proc/[0-9]*/fd -maxdepth 1 -samefile "$1" -print -quit 2>/dev/null) ]] || return 0
        sleep 0.1
    done
    echo "error: a process has $1 open a minute after QEMU was killed"
    return 1
}

power_loss_waits_for() {
    local end=$((SECONDS + 900))
    while ((SECONDS < end)) && kill -0 "$3" 2>/dev/null; do
        if grep -qaF "$1" "$2"; then return; fi
        sleep 0.2
    done
    cat "$2"
    echo "error: the guest did not say '$1'"
    return 1
}

# last_durable NAME FILE: the number of the last whole line.
last_durable() { grep -aoP "^durable $1 \K[0-9]+(?=[\r\n])" "$2" | tail -n 1; }

# On this machine, which need not be a RISC-V one.
disk_records() {
    in_sdk qemu-riscv64 build/riscv64/tests/guests/disk_records "$1" "$(inner_path "$2")" "${@:3}"
}
