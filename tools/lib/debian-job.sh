#!/usr/bin/env bash
# Runs inside the emulated host: boots Debian as configs/debian.conf does, and tries what somebody would who uses it.
# debian-job.sh RVVMM IMAGE-FOLDER EXT4-MODULES RESULT: /dev/vda is the image, for the guest, and /dev/vdb the same once
# more, for programs that the host does not have. RESULT becomes a GoogleTest file with a case for each check; the first
# that fails is the last.
set -euo pipefail
exec </dev/null
rvvmm=$1 image=$2 modules=$3 result=$4
console=${result%.xml}.console errors=${result%.xml}.errors
debian=/tmp/debian work=/tmp/work
port=2222
cases=()

# Ten times what they take on an emulated host that has nothing else to do.
boot_limit=1800 soon=300

say() { printf '%s\n' "$*"; }
seconds_since() { awk -v now="$EPOCHREALTIME" -v then="$1" 'BEGIN { printf "%.1f", now - then }'; }

# check NAME CMD...: one case of the result, with the time it took.
check() {
    local name=$1 start=$EPOCHREALTIME
    shift
    if "$@"; then
        say "ok      $name ($(seconds_since "$start") s)"
        cases+=("<testcase name=\"$name\" status=\"run\" result=\"completed\"/>")
        return
    fi
    say "FAILED  $name (after $(seconds_since "$start") s)"
    cases+=("<testcase name=\"$name\" status=\"run\" result=\"completed\"><failure message=\"$name\"/></testcase>")
    say "--- the console's end:" && tail -n 60 "$console"
    say "--- stderr:" && cat "$errors"
    exit 1
}
# shellcheck disable=SC2329 # by the trap
write_result() {
    printf '%s\n' '<testsuites><testsuite>' "${cases[@]}" '</testsuite></testsuites>' >"$result"
}
trap write_result EXIT

# wait_for SECONDS CMD...: until it succeeds, or cannot any more.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) && kill -0 "$vmm" 2>/dev/null || return 1
        # systemd's last words. It gives those that make its units 90 s.
        if on_console 'Freezing execution'; then return 1; fi
        sleep 0.5
    done
}

in_debian() { chroot "$debian" "$@"; }
guest() {
    in_debian ssh -F none -i /tmp/key -p "$port" -o BatchMode=yes -o StrictHostKeyChecking=no -o LogLevel=ERROR \
        -o UserKnownHostsFile=/dev/null -o ConnectTimeout=30 -o ServerAliveInterval=30 root@127.0.0.1 "$@"
}
sum_of() { sha256sum | cut -c 1-64; }

mount_debian() {
    local module
    mkdir -p "$debian" "$work"
    (cd "$work" && cpio -id 2>/dev/null <"$modules")
    for module in "$work/ext4/$(uname -r)"/*.ko; do insmod "$module"; done
    mount -t ext4 -o ro /dev/vdb "$debian"
    mount --bind /dev "$debian/dev"
    mount -t tmpfs tmp "$debian/tmp"
    install -m 600 "$image/ssh_key" "$debian/tmp/key"
}

start_web_server() {
    mkdir -p "$work/web"
    head -c 3000001 /dev/urandom >"$work/web/file"
    httpd -p 127.0.0.1:8000 -h "$work/web"
}

# Nobody types: the test is at the other end of the network.
start_rvvmm() {
    "$rvvmm" --config configs/debian.conf --kernel "$image/vmlinuz" --initrd "$image/initrd.img" --disk /dev/vda \
        </dev/null >"$console" 2>"$errors" &
    vmm=$!
}

on_console() { grep -qa "$1" "$console"; }
answers() { [[ $(guest "$1" 2>&1 | tr -d '\r') == "$2" ]]; }

# Also the units that are started behind the login prompt.
is_up() {
    local state
    state=$(guest systemctl is-system-running 2>&1) || true
    [[ $state == running ]] && return
    [[ $state == starting || $state == initializing ]] || say "systemd: $state: $(guest systemctl --failed --plain)"
    return 1
}

fetches_the_file() {
    local router sum
    router=$(guest "ip -4 route show default" | awk '{ print $3; exit }')
    sum=$(guest "curl --silent --show-error --fail http://$router:8000/file | sha256sum" | cut -c 1-64)
    [[ $sum == "$(sum_of <"$work/web/file")" ]] || { say "from $router it got $sum" && return 1; }
}

keeps_a_file() {
    guest "cat >/root/kept && sync && sha256sum /root/kept" <"$work/web/file" >"$work/kept"
    [[ $(cut -c 1-64 "$work/kept") == "$(sum_of <"$work/web/file")" ]]
}

# fio reads all it wrote and compares.
verifies_its_disk() {
    guest fio --name=verify --filename=/root/fio --size=24M --rw=randwrite --bsrange=4k-64k --ioengine=libaio \
        --iodepth=16 --direct=1 --verify=crc32c --verify_fatal=1 --do_verify=1 --end_fsync=1 --minimal >"$work/fio" 2>&1 ||
        { cat "$work/fio" && return 1; }
}

shuts_down() {
    local status=0 end=$((SECONDS + soon))
    kill -TERM "$vmm"
    while kill -0 "$vmm" 2>/dev/null; do
        ((SECONDS < end)) || { say "it still runs" && return 1; }
        sleep 0.5
    done
    wait "$vmm" || status=$?
    ((status == 0)) || { say "rvvmm ended with $status" && return 1; }
    on_console 'reboot: Power down'
}

is_quiet() { [[ ! -s $errors ]] || { cat "$errors" && return 1; }; }

# Only then is the journal's end known to be written: the file system was unmounted.
is_clean() { in_debian e2fsck -fn /dev/vda; }

has_kept_the_file() {
    mkdir -p "$work/image"
    mount -t ext4 -o ro,noload /dev/vda "$work/image"
    [[ $(sum_of <"$work/image/root/kept") == "$(sum_of <"$work/web/file")" ]]
}

mount_debian
start_web_server
say "host: Linux $(uname -r), $(nproc) harts"
start_rvvmm
check login_prompt wait_for "$boot_limit" on_console 'rvvmm login: '
check ssh wait_for "$soon" answers 'echo here' here
check systemd_is_running wait_for "$soon" is_up
say "guest: $(guest 'uname -srm; systemd-analyze time' | tr '\n' ' ')"
check four_harts answers nproc 4
check file_by_http fetches_the_file
check file_by_ssh keeps_a_file
check fio_verifies verifies_its_disk
check power_key shuts_down
check nothing_on_stderr is_quiet
check file_system_is_clean is_clean
check file_is_in_the_image has_kept_the_file
