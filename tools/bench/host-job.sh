#!/usr/bin/env bash
# Runs inside the emulated host of tools/dev bench: measures each VMM and prints "SECTION ROW VMM NAME VALUE" lines.
# host-job.sh WHAT [SECTIONS], with WHAT "main" (one hart; sections start,exit,boot,watch) or "smp" (two).
# Everything it uses lies in RAM, at /pack and /tmp.
set -euo pipefail
what=$1
sections=${2:-start,exit,boot,watch}
pack=/pack
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null || true
chmod 755 "$pack"/{rvvmm,measure,floor,in-root}
# A host that has just started still tests its ciphers, a second and more of CPU time beside what is measured.
sleep 20

QEMU_ROOT=
if [[ -d /cache/bench/qemu ]]; then
    # Out of 9p and into RAM: the loader would read its libraries over the wire otherwise.
    QEMU_ROOT=/tmp/qemu
    mkdir -p "$QEMU_ROOT"/{dev,proc,sys,pack,tmp}
    cp -a /cache/bench/qemu/. "$QEMU_ROOT/"
    mount --bind /dev "$QEMU_ROOT/dev"
    mount --bind /proc "$QEMU_ROOT/proc"
    mount --bind /sys "$QEMU_ROOT/sys"
    mount --bind "$pack" "$QEMU_ROOT/pack"
fi
VMMS=(rvvmm)
[[ -z $QEMU_ROOT ]] || VMMS+=(qemu)

# vmm NAME KERNEL MIB SMP [APPEND]: fills COMMAND.
vmm() {
    local name=$1 kernel=$2 mib=$3 smp=$4
    COMMAND=()
    case $name in
    rvvmm)
        COMMAND=("$pack/rvvmm" --kernel "$kernel" --mem "${mib}M" --smp "$smp")
        [[ $# -lt 5 ]] || COMMAND+=(--initrd "$pack/bench-guest.cpio" --append "$5")
        ;;
    qemu)
        COMMAND=("$pack/in-root" "$QEMU_ROOT" qemu-system-riscv64 -M virt,aia=aplic-imsic -accel kvm -cpu host
            -nodefaults -no-user-config -display none -serial stdio -m "$mib" -smp "$smp" -kernel "$kernel")
        [[ $# -lt 5 ]] || COMMAND+=(-initrd "$pack/bench-guest.cpio" -append "$5")
        ;;
    floor) COMMAND=("$pack/floor" "$kernel.bin" "$mib") ;;
    floor-aia) COMMAND=("$pack/floor" "$kernel.bin" "$mib" aia) ;;
    esac
}

# report SECTION ROW VMM MEASURE-ARGUMENTS...: measures COMMAND. A failure is a row without figures.
report() {
    local section=$1 row=$2 name=$3 line
    shift 3
    "$pack/measure" "$@" -- "${COMMAND[@]}" 2>/tmp/err >/tmp/out || {
        echo "bench: $name: $row: $(tail -n 3 /tmp/err)" >&2
        return 0
    }
    while read -r line; do printf '%s\t%s\t%s\t%s\n' "$section" "$row" "$name" "${line/ /$'\t'}"; done </tmp/out
}

start_rows() {
    local name mib smp
    for name in floor floor-aia "${VMMS[@]}"; do
        for mib in 64 256 1024; do
            vmm "$name" "$pack/shutdown" "$mib" 1
            # The first run pays for a cold page cache.
            report start "$mib MiB, 1 vCPU" "$name-cold" run >/dev/null
            report start "$mib MiB, 1 vCPU" "$name" run
        done
        [[ $name != floor* ]] || continue
        for smp in 2 4; do
            vmm "$name" "$pack/shutdown" 256 "$smp"
            report start "256 MiB, $smp vCPU" "$name" run
        done
    done
}

exit_rows() {
    local name operation
    for name in floor floor-aia "${VMMS[@]}"; do
        for operation in calibrate sbi_base dbcn_byte dbcn_64 lsr_read thr_write vendor_call batch_64; do
            # QEMU stops the VM there and stays.
            [[ $name != qemu || $operation != vendor_call ]] || continue
            [[ $name == rvvmm || $operation != batch_64 ]] || continue
            vmm "$name" "$pack/bench_$operation" 64 1
            report exit "$operation" "$name" run
        done
    done
}

# boot_rows KERNEL SMP...: exec to init and to the end, quiet; and where one hart is enough, the talkative rows.
boot_rows() {
    local kernel=$1 name smp
    shift
    for name in "${VMMS[@]}"; do
        for smp in "$@"; do
            vmm "$name" "$pack/Image-$kernel" 256 "$smp" "console=ttyS0 quiet bench=off"
            report "boot-$what" "guest $kernel, $smp vCPU, quiet" "$name" until "bench: init"
        done
        [[ $what == main ]] || continue
        vmm "$name" "$pack/Image-$kernel" 256 1 "console=ttyS0 earlycon=sbi bench=off"
        report "boot-$what" "guest $kernel, 1 vCPU, earlycon=sbi" "$name" until "Linux version" "bench: init"
    done
}

watch_rows() {
    local name
    for name in "${VMMS[@]}"; do
        vmm "$name" "$pack/Image-latest" 256 1 "console=ttyS0 quiet bench=shell"
        report watch "shell" "$name" watch "bench# " 256
    done
}

case $what in
main)
    [[ $sections != *start* ]] || start_rows
    [[ $sections != *exit* ]] || exit_rows
    [[ $sections != *boot* ]] || boot_rows latest 1
    [[ $sections != *watch* ]] || watch_rows
    ;;
smp) boot_rows latest 1 2 4 ;;
esac
printf 'size\tbinary\trvvmm\tbytes\t%s\n' "$(stat -c %s "$pack/rvvmm")"
if [[ -n $QEMU_ROOT ]]; then
    printf 'size\tbinary\tqemu\tbytes\t%s\n' "$(stat -c %s "$QEMU_ROOT/usr/bin/qemu-system-riscv64")"
fi
