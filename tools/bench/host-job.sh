#!/usr/bin/env bash
# Runs inside the emulated host of tools/dev bench: measures each VMM and prints "SECTION ROW VMM NAME VALUE" lines.
# host-job.sh WHAT VMMS [SECTIONS], with WHAT "main" (one hart; SECTIONS: start,exit,boot,watch,console,blk,net,
# memory,device) or "smp"
# (two), and VMMS of floor,floor-aia,rvvmm-profile,rvvmm,qemu; what is not a VMM by itself is in the rows
# of start and exit alone.
# Everything it uses lies in RAM, at /pack and /tmp.
set -euo pipefail
what=$1
sections=${3:-start,exit,boot,watch,console,blk,net,memory,device}
pack=/pack
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null || true
chmod 755 "$pack"/{rvvmm,measure,floor,in-root,load}
# A host that has just started still tests its ciphers, a second and more of CPU time beside what is measured.
sleep 20

# Disks lie in a file system of the host's memory.
mkdir -p /tmp/disks
mount -t tmpfs -o size=1g disks /tmp/disks
QEMU_ROOT=
if [[ ,$2, == *,qemu,* ]]; then
    # Out of 9p and into RAM: the loader would read its libraries over the wire otherwise.
    QEMU_ROOT=/tmp/qemu
    mkdir -p "$QEMU_ROOT"/{dev,proc,sys,pack,tmp/disks}
    cp -a /cache/bench/qemu/. "$QEMU_ROOT/"
    mount --bind /dev "$QEMU_ROOT/dev"
    mount --bind /proc "$QEMU_ROOT/proc"
    mount --bind /sys "$QEMU_ROOT/sys"
    mount --bind "$pack" "$QEMU_ROOT/pack"
    mount --bind /tmp/disks "$QEMU_ROOT/tmp/disks"
fi
IFS=, read -ra ALL <<<"$2"
VMMS=()
for name in "${ALL[@]}"; do
    [[ $name == floor* || $name == rvvmm-profile ]] || VMMS+=("$name")
done

INITRD=$pack/bench-guest.cpio
# vmm NAME KERNEL MIB SMP [APPEND]: fills COMMAND.
vmm() {
    local name=$1 kernel=$2 mib=$3 smp=$4
    COMMAND=()
    case $name in
    rvvmm)
        COMMAND=("$pack/rvvmm" --kernel "$kernel" --mem "${mib}M" --smp "$smp")
        [[ $# -lt 5 ]] || COMMAND+=(--initrd "$INITRD" --append "$5")
        ;;
    rvvmm-profile) COMMAND=("$pack/rvvmm" --kernel "$kernel" --mem "${mib}M" --smp "$smp" --profile /tmp/profile.json) ;;
    qemu)
        COMMAND=("$pack/in-root" "$QEMU_ROOT" qemu-system-riscv64 -M virt,aia=aplic-imsic -accel kvm -cpu host
            -nodefaults -no-user-config -display none -m "$mib" -smp "$smp" -kernel "$kernel")
        [[ $# -lt 5 ]] || COMMAND+=(-initrd "$INITRD" -append "$5")
        [[ ${5:-} == *hvc0* ]] || COMMAND+=(-serial stdio)
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
    for name in "${ALL[@]}"; do
        for mib in 64 256 1024; do
            # What its exits are counted from; a profile costs a start nothing that matters.
            [[ $name != rvvmm-profile || $mib == 64 ]] || continue
            vmm "$name" "$pack/shutdown" "$mib" 1
            # The first run pays for a cold page cache.
            report start "$mib MiB, 1 vCPU" "$name-cold" run >/dev/null
            report start "$mib MiB, 1 vCPU" "$name" run
        done
        [[ $name != floor* && $name != rvvmm-profile ]] || continue
        for smp in 2 4; do
            vmm "$name" "$pack/shutdown" 256 "$smp"
            report start "256 MiB, $smp vCPU" "$name" run
        done
    done
}

exit_rows() {
    local name operation
    for name in "${ALL[@]}"; do
        for operation in calibrate sbi_base dbcn_byte dbcn_64 lsr_read thr_write vendor_call batch_64; do
            # QEMU stops the VM there and stays.
            [[ $name != qemu || $operation != vendor_call ]] || continue
            [[ $name == rvvmm* || $operation != batch_64 ]] || continue
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

# The console is the guest's only one: its shell is there, and what it says goes down a pipe.
console_rows() {
    local name
    for name in "${VMMS[@]}"; do
        vmm "$name" "$pack/Image-latest" 256 1 "console=ttyS0 quiet bench=shell"
        report console "UART, 64 KiB" "$name" console "bench# " 65536
        vmm "$name" "$pack/Image-latest" 256 1 "console=hvc0 quiet bench=shell"
        case $name in
        rvvmm) COMMAND+=(--console virtio) ;;
        qemu) COMMAND+=(-serial null -device virtio-serial-pci -chardev stdio,id=c,signal=off -device virtconsole,chardev=c) ;;
        esac
        report console "virtio-console, 256 KiB" "$name" console "bench# " 262144
    done
}

# load_rows SECTION VMM NAME=COMMAND...: COMMAND has the device.
load_rows() {
    report "$1" load "$2" load "bench# " null="load null" "${@:3}"
}

blk_rows() {
    local name disk=/tmp/disks/disk loads=(
        seq-write-1M="load disk write 1048576 1 128 /dev/vda" seq-read-1M="load disk read 1048576 1 128 /dev/vda"
        rnd-read-4k-qd1="load disk read 4096 1 2000 /dev/vda" rnd-write-4k-qd1="load disk write 4096 1 2000 /dev/vda"
        rnd-read-4k-qd16="load disk read 4096 16 8000 /dev/vda"
        rnd-read-4k-qd16-together="load disk read-together 4096 16 8000 /dev/vda")
    # No holes.
    head -c 134217728 /dev/zero | tr '\0' 'x' >"$disk"
    for name in rvvmm rvvmm-mmio ${QEMU_ROOT:+qemu qemu-uring}; do
        vmm "${name%-*}" "$pack/Image-latest" 256 1 "console=ttyS0 quiet bench=load"
        case $name in
        rvvmm) COMMAND+=(--disk "$disk") ;;
        rvvmm-mmio) COMMAND+=(--disk "$disk" --transport mmio) ;;
        qemu) COMMAND+=(-drive "file=$disk,format=raw,if=none,id=d,aio=threads" -device virtio-blk-pci,drive=d) ;;
        qemu-uring) COMMAND+=(-drive "file=$disk,format=raw,if=none,id=d,aio=io_uring" -device virtio-blk-pci,drive=d) ;;
        esac
        load_rows blk "$name" "${loads[@]}"
    done
    rm "$disk"
}

net_rows() {
    local name peer loads=(
        tcp-guest-to-host="load tcp-send 65536 10.9.0.1" tcp-host-to-guest="load tcp-receive 65536 10.9.0.1"
        udp-ping-pong="load udp 2000 10.9.0.1")
    modprobe tun
    tunctl -t tap0 >/dev/null
    ip addr add 10.9.0.1/24 dev tap0
    ip link set tap0 up
    "$pack/load" serve &
    peer=$!
    for name in "${VMMS[@]}"; do
        vmm "$name" "$pack/Image-latest" 256 1 "console=ttyS0 quiet bench=load"
        case $name in
        rvvmm) COMMAND+=(--net tap=tap0) ;;
        qemu) COMMAND+=(-netdev tap,id=n,ifname=tap0,script=no,downscript=no,vhost=off -device virtio-net-pci,netdev=n,romfile=) ;;
        esac
        load_rows net "$name" "${loads[@]}"
    done
    kill "$peer"
}

# memory_vmm NAME GUEST PAGES: fills COMMAND; PAGES as behind rvvmm's --mem hugepages=, so 2M,prefault.
memory_vmm() {
    local name=$1 kernel=$pack/$2 pages=$3 object
    vmm "$name" "$kernel" 128 1
    case $name in
    rvvmm) COMMAND=("$pack/rvvmm" --kernel "$kernel" --mem "128M,hugepages=$pages") ;;
    floor-aia) read -ra COMMAND <<<"${COMMAND[*]} ${pages/,/ }" ;;
    qemu)
        object=memory-backend-ram,id=ram,size=128M
        [[ $pages != 2M* ]] || object=memory-backend-memfd,id=ram,size=128M,hugetlb=on,hugetlbsize=2M
        [[ $pages != *,prefault ]] || object+=,prealloc=on
        COMMAND+=(-object "$object" -machine memory-backend=ram)
        ;;
    esac
}

# The pool is there for these rows alone.
memory_rows() {
    local name pages guest pool=/proc/sys/vm/nr_hugepages
    echo 72 >"$pool"
    (($(<"$pool") == 72)) || echo "bench: this host has $(<"$pool") huge pages of 2 MiB of the 72 it was asked for" >&2
    for name in floor-aia "${VMMS[@]}"; do
        for pages in off thp 2M off,prefault thp,prefault 2M,prefault; do
            # QEMU has no way to do without transparent ones.
            [[ $name != qemu || $pages != off* ]] || continue
            # Later runs find the host's free pages as others of their kind left them.
            memory_vmm "$name" bench_memory_touch "$pages"
            report memory cold "$name-cold" run >/dev/null
            for guest in shutdown bench_memory_touch bench_memory_write bench_memory_read; do
                [[ $pages != *,prefault || $guest != *_write && $guest != *_read ]] || continue
                memory_vmm "$name" "$guest" "$pages"
                report memory "${guest#bench_memory_}, hugepages=$pages" "$name" run
            done
        done
    done
    echo 0 >"$pool"
}

# A doorbell, a thread of the VMM, and its interrupt.
device_rows() {
    local name guest disk=/tmp/disks/empty
    head -c 1048576 /dev/zero >"$disk"
    for name in "${VMMS[@]}"; do
        for guest in bench_doorbell_0 bench_doorbell_20000; do
            vmm "$name" "$pack/$guest" 64 1
            case $name in
            rvvmm) COMMAND+=(--disk "$disk") ;;
            qemu) COMMAND+=(-drive "file=$disk,format=raw,if=none,id=d" -device virtio-blk-pci,drive=d,disable-legacy=on) ;;
            esac
            report device cold "$name-cold" run >/dev/null
            report device "${guest#bench_}" "$name" run
        done
    done
    rm "$disk"
}

case $what in
main)
    [[ $sections != *start* ]] || start_rows
    [[ $sections != *exit* ]] || exit_rows
    [[ $sections != *boot* ]] || boot_rows latest 1
    [[ $sections != *watch* ]] || watch_rows
    [[ $sections != *console* ]] || console_rows
    INITRD=$pack/bench-load.cpio
    [[ $sections != *blk* ]] || blk_rows
    [[ $sections != *net* ]] || net_rows
    [[ $sections != *memory* ]] || memory_rows
    [[ $sections != *device* ]] || device_rows
    ;;
smp) boot_rows latest 1 2 4 ;;
esac
printf 'size\tbinary\trvvmm\tbytes\t%s\n' "$(stat -c %s "$pack/rvvmm")"
if [[ -n $QEMU_ROOT ]]; then
    printf 'size\tbinary\tqemu\tbytes\t%s\n' "$(stat -c %s "$QEMU_ROOT/usr/bin/qemu-system-riscv64")"
fi
