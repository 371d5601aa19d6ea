# shellcheck shell=bash
# The emulated RISC-V host: qemu-system-riscv64 with the H extension, real Linux, real KVM.

readonly HOST_LOST_A_HART=126

host_usage() {
    cat <<'EOF'
usage: tools/dev host [OPTIONS] [-- CMD...]

Boots the emulated host. On a terminal it is interactive, and every key reaches the inside (Ctrl-A too); else CMD gets
stdin, stdout and stderr as they are. CMD runs in the corresponding directory of /src (the repository, writable);
/cache (kernels, images) and /sdk are there too, read-only. The exit status is that of CMD; 125 where the host did not
get to the end, 126 where a hart of it stopped for good.

  --kernel 6.12|latest      host kernel (latest)
  --irqchip aia|emul|none   AIA with guest interrupt files, without, or no AIA at all (aia)
  --smp N                   harts (2; 1 with --icount)
  --mem SIZE                memory (4G)
  --cpu PROPERTIES          more for QEMU's -cpu, e.g. v=true
  --pmu                     with Sscofpmf
  --icount                  deterministic: one instruction is 1 ns; fixed seed and clock
  --append WORDS            more for the host kernel's command line
  --disk FILE               a disk of the host, /dev/vda and on; what is written to it is forgotten (may be repeated)
  --lasting-disk FILE       the same, but what is written to it stays
  --qemu ARGUMENT           one more argument for QEMU, e.g. -s for its gdb stub (may be repeated)
  --pack FILE               put FILE at /pack/ of the host's RAM disk (may be repeated)
  --timeout SECONDS         give up then, with status 124 (with CMD: 3600)
  --pipe                    not interactive, even on a terminal
EOF
}

# Defaults, then options; the rest is the command.
parse_host_options() {
    HOST_KERNEL=latest HOST_IRQCHIP=aia HOST_SMP= HOST_MEM=4G HOST_CPU= HOST_PMU=off HOST_ICOUNT=0 HOST_APPEND=
    HOST_TIMEOUT= HOST_PIPE=0 HOST_PACK=() HOST_DISKS=() HOST_SNAPSHOTS=() HOST_QEMU=()
    HOST_COMMAND=()
    while (($# > 0)); do
        case $1 in
        --kernel | --irqchip | --smp | --mem | --cpu | --append | --pack | --disk | --lasting-disk | --qemu | \
            --timeout)
            (($# > 1)) || die "host: $1 needs a value"
            ;;&
        --kernel) HOST_KERNEL=$2 && shift ;;
        --irqchip) HOST_IRQCHIP=$2 && shift ;;
        --smp) HOST_SMP=$2 && shift ;;
        --mem) HOST_MEM=$2 && shift ;;
        --cpu) HOST_CPU=,$2 && shift ;;
        --append) HOST_APPEND=$2 && shift ;;
        --pack) HOST_PACK+=("$2") && shift ;;
        --disk) HOST_DISKS+=("$2") HOST_SNAPSHOTS+=(on) && shift ;;
        --lasting-disk) HOST_DISKS+=("$2") HOST_SNAPSHOTS+=(off) && shift ;;
        --qemu) HOST_QEMU+=("$2") && shift ;;
        --timeout) HOST_TIMEOUT=$2 && shift ;;
        --pmu) HOST_PMU=on ;;
        --icount) HOST_ICOUNT=1 ;;
        --pipe) HOST_PIPE=1 ;;
        --help | -h) host_usage && exit 0 ;;
        --) shift && HOST_COMMAND=("$@") && break ;;
        *) host_usage >&2 && die "host: what is $1?" ;;
        esac
        shift
    done
    if ((HOST_ICOUNT)); then : "${HOST_SMP:=1}"; else : "${HOST_SMP:=2}"; fi
    [[ -n ${HOST_COMMAND[*]} ]] && : "${HOST_TIMEOUT:=3600}"
    case $HOST_KERNEL in 6.12 | latest) ;; *) die "host: no kernel $HOST_KERNEL" ;; esac
}

# The machine, as arguments for QEMU.
host_machine() {
    local machine disk number=0
    case $HOST_IRQCHIP in
    aia) machine=virt,aia=aplic-imsic,aia-guests=4 ;;
    emul) machine=virt,aia=aplic-imsic,aia-guests=0 ;;
    none) machine=virt,aia=none ;;
    *) die "host: no irqchip $HOST_IRQCHIP" ;;
    esac
    QEMU=(
        qemu-system-riscv64 -nodefaults -no-user-config -display none -no-reboot
        -M "$machine" -cpu "rv64,h=true,sstc=true,sscofpmf=$HOST_PMU$HOST_CPU" -smp "$HOST_SMP" -m "$HOST_MEM"
        -kernel "/cache/kernels/$HOST_KERNEL/Image"
        -append "console=ttyS0 quiet loglevel=4 panic=-1 swiotlb=noforce rdinit=/init $HOST_APPEND"
        -serial "file:/export/rw/job/serial.log"
        -device virtio-serial-pci
        -fsdev "local,id=ro,path=/export/ro,security_model=none,readonly=on,multidevs=remap"
        -device virtio-9p-pci,fsdev=ro,mount_tag=ro
        -fsdev "local,id=rw,path=/export/rw,security_model=none,multidevs=remap"
        -device virtio-9p-pci,fsdev=rw,mount_tag=rw
    )
    if ((HOST_ICOUNT)); then
        QEMU+=(-icount "shift=0,sleep=off" -seed 1 -rtc "base=2026-01-01T00:00:00,clock=vm")
    elif ((HOST_SMP > 1)); then
        QEMU+=(-accel "tcg,thread=multi")
    fi
    for disk in "${HOST_DISKS[@]}"; do
        [[ -f $disk ]] || die "host: --disk $disk: no such file"
        disk=$(inner_path "$(realpath "$disk")")
        QEMU+=(-drive
            "file=$disk,format=raw,if=none,id=disk$number,snapshot=${HOST_SNAPSHOTS[number]},discard=unmap"
            -device "virtio-blk-pci,drive=disk$number")
        number=$((number + 1))
    done
    QEMU+=("${HOST_QEMU[@]}")
}

# stdin, stdout and stderr of the command travel by three virtio ports, which are fifos outside. stdin has its own,
# since QEMU takes the end of a port's input for a hang-up in both directions.
host_pipes() {
    local job=$1
    mkfifo "$job"/{in,out,err}
    QEMU+=(
        -chardev "file,id=out,path=/export/rw/job/out" -device "virtserialport,chardev=out,nr=1"
        -chardev "file,id=err,path=/export/rw/job/err" -device "virtserialport,chardev=err,nr=2"
        -chardev "file,id=in,path=/dev/null,input-path=/export/rw/job/in" -device "virtserialport,chardev=in,nr=3"
    )
    cat "$job/out" &
    HOST_CATS=($!)
    cat "$job/err" >&2 &
    HOST_CATS+=($!)
    # Explicit redirection: bash gives a job in the background /dev/null otherwise.
    cat <&0 >"$job/in" &
    HOST_FEEDER=$!
    at_exit "kill $HOST_FEEDER 2>/dev/null"
    mkfifo "$job"/monitor.{in,out}
    QEMU+=(-chardev "pipe,id=monitor,path=/export/rw/job/monitor" -mon "chardev=monitor,mode=readline")
}

# host_watch JOB PROCESS: a kernel that says three times that a hart of it has stopped will not finish. QEMU is asked
# where its harts are, for lockup.log, and to end.
host_watch() {
    local job=$1 process=$2 said
    while sleep 5 && kill -0 "$process" 2>/dev/null; do
        said=$(grep -ac 'hard LOCKUP' "$job/serial.log" 2>/dev/null) || continue
        ((said >= 3)) || continue
        timeout 5 cat "$job/monitor.out" >"$job/lockup.log" &
        printf '%s\n' 'info registers -a' >"$job/monitor.in"
        sleep 1
        printf '%s\n' 'info registers -a' >"$job/monitor.in"
        wait
        echo quit >"$job/monitor.in"
        return
    done
}

# RAM disk: the host's, and behind it an archive of the files asked for by --pack.
host_initrd() {
    local job=$1 file
    if ((${#HOST_PACK[@]} == 0)); then
        QEMU+=(-initrd "/cache/images/host-$HOST_KERNEL.cpio")
        return
    fi
    mkdir -p "$job/tree/pack"
    for file in "${HOST_PACK[@]}"; do cp "$file" "$job/tree/pack/"; done
    in_sdk bash -ec "$(declare -f pack_tree); pack_tree '$(inner_path "$job/tree")' '$(inner_path "$job/pack.cpio")'"
    cat "$CACHE/images/host-$HOST_KERNEL.cpio" "$job/pack.cpio" >"$job/initrd"
    rm -rf "$job/tree" "$job/pack.cpio"
    QEMU+=(-initrd /export/rw/job/initrd)
}

write_job() {
    local job=$1 interactive=$2 name
    {
        echo "epoch=$( ((HOST_ICOUNT)) && echo 1767225600 || date +%s)"
        echo "interactive=$interactive"
        echo "disks=${#HOST_DISKS[@]}"
        echo "term=${TERM:-linux}"
    } >"$job/settings"
    {
        for name in $(compgen -e RVVMM_) $(compgen -e GTEST_); do
            [[ $name == RVVMM_CACHE ]] || printf 'export %s=%q\n' "$name" "${!name}"
        done
        printf 'cd %q\n' "$(inner_directory)"
        if ((${#HOST_COMMAND[@]})); then
            printf 'exec '
            printf '%q ' "${HOST_COMMAND[@]}"
        else
            printf 'PS1="host# " exec bash --norc -i'
        fi
        echo
    } >"$job/cmd"
}

# Till the host runs its command: then the terminal is the command's.
host_progress() { [[ ! -e $1/started ]] && echo "the host boots, $2 of some 7 s"; }

# host_run OPTIONS: boots, runs, returns the command's status. Expects that all is set up.
host_run() {
    local job interactive=0 status=0 limit=() terminal qemu
    parse_host_options "$@"
    if on_riscv64; then
        # This machine is the host.
        "${HOST_COMMAND[@]:-bash}"
        return
    fi
    job=$(mktemp -d "$CACHE/run/$$.XXXXXX")
    at_exit "rm -rf '$job'"
    host_machine
    host_initrd "$job"
    HOST_CATS=() HOST_FEEDER=
    if [[ $HOST_PIPE == 0 && -t 0 && -t 1 ]]; then
        interactive=1
        terminal=$(stty -g)
        at_exit "stty '$terminal' </dev/tty"
        # No mux, no signals: Ctrl-A and Ctrl-C belong to what runs inside.
        while stty size >"$job/size.new" && mv "$job/size.new" "$job/size" && sleep 1; do :; done <&0 2>/dev/null &
        at_exit "kill $! 2>/dev/null"
        QEMU+=(-chardev stdio,id=tty,mux=off,signal=off -device virtconsole,chardev=tty)
    fi
    write_job "$job" "$interactive"
    ((interactive)) || host_pipes "$job"
    [[ -z ${PROGRESS:-} ]] || start_progress "$PROGRESS" "$job"
    [[ -z $HOST_TIMEOUT ]] || limit=(timeout --foreground --kill-after=3 "$HOST_TIMEOUT")
    export RVVMM_JOB=$job
    sdk_command "${limit[@]}" "${QEMU[@]}"
    if ((interactive)); then
        "${SDK_COMMAND[@]}" || status=$?
    else
        # In the background, because a shell that waits for a foreground command does not act on signals.
        "${SDK_COMMAND[@]}" </dev/null >"$job/qemu.log" 2>&1 &
        qemu=$!
        at_exit "kill $qemu 2>/dev/null"
        host_watch "$job" "$qemu" &
        at_exit "kill $! 2>/dev/null"
        wait "$qemu" || status=$?
        kill $! 2>/dev/null || true
    fi
    unset RVVMM_JOB
    host_status "$job" "$status"
}

# The command's status; or, with the end of the console, 124 after a timeout, 126 where a hart of the host stopped, and
# 125 where the host did not get to the end for another reason.
host_status() {
    local job=$1 qemu_status=$2
    ((${#HOST_CATS[@]} == 0)) || wait "${HOST_CATS[@]}" || true
    [[ -z $HOST_FEEDER ]] || kill "$HOST_FEEDER" 2>/dev/null || true
    if [[ -s $job/status ]]; then return "$(<"$job/status")"; fi
    if [[ -e $job/lockup.log ]]; then
        say "tools/dev host: its kernel has lost a hart; where QEMU's harts were, and the end of its console:"
        cat "$job/lockup.log" >&2
        tail -n 25 "$job/serial.log" >&2
        return "$HOST_LOST_A_HART"
    fi
    if ((qemu_status == 124 || qemu_status == 137)); then
        say "tools/dev host: stopped after $HOST_TIMEOUT s; the end of the host's console:"
    else
        say "tools/dev host: it did not finish (QEMU: status $qemu_status); the end of its console:"
    fi
    cat "$job/qemu.log" >&2 2>/dev/null || true
    tail -n 25 "$job/serial.log" >&2 2>/dev/null || true
    ((qemu_status == 124 || qemu_status == 137)) && return 124
    return 125
}

host_verb() {
    if [[ " $* " == *" --help "* ]]; then host_usage && return; fi
    setup_core
    host_run "$@"
}
