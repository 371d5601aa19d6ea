#!/usr/bin/env bash
# First process of the namespaces made by in_sdk: mounts, then runs the command in the SDK.
# It stays as the parent, because a command that is process 1 would ignore signals it does not handle.
set -euo pipefail
sdk=$1 root=$2 cache=$3 directory=$4
shift 4

# The SDK itself is read-only, so that no build can change what the next one sees.
mount --bind "$sdk" "$sdk"
mount --bind "$root" "$sdk/src"
mount --bind "$cache" "$sdk/cache"
mount -t proc proc "$sdk/proc"
mount -t tmpfs -o mode=1777 tmp "$sdk/tmp"
mount --bind "$sdk/tmp" "$sdk/var/tmp"
mount --rbind /dev "$sdk/dev"
mount --rbind /sys "$sdk/sys"
# What the emulated host sees by 9p: a read-only and a writable tree.
mount --bind "$sdk/src" "$sdk/export/rw/src"
mount --bind "$cache" "$sdk/export/ro/cache"
mount --bind "$sdk" "$sdk/export/ro/sdk"
if [[ -n ${RVVMM_JOB:-} ]]; then mount --bind "$RVVMM_JOB" "$sdk/export/rw/job"; fi
# A tree in the cache, whose riscv64 programs are to be run (tools/lib/debian.sh).
if [[ -n ${RVVMM_TREE:-} ]]; then
    mount --rbind /dev "$sdk$RVVMM_TREE/dev"
    mount -t proc proc "$sdk$RVVMM_TREE/proc"
fi
mount -o remount,bind,ro "$sdk"

trap 'exit 143' TERM
trap 'exit 130' INT
# shellcheck disable=SC2016 # expanded inside
chroot "$sdk" /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "$directory" "$@"
