#!/usr/bin/env bash
# with-riscv64.sh FORMAT CMD...: in user and mount namespaces of its own, has the kernel run a format by an interpreter.
set -euo pipefail
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '%s' "$1" >/proc/sys/fs/binfmt_misc/register
shift
exec "$@"
