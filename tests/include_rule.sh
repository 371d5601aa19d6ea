#!/bin/sh
# Who may include whom (docs/architecture.md): a room of src that includes a header of a room it may not know fails.
set -u
cd "$(dirname "$0")/../src" || exit 2
status=0
# check ROOM ALLOWED...: every quoted include of ROOM's files begins with one of the allowed rooms.
check() {
    room=$1
    shift
    allowed=$(printf '%s|' "$@")
    if grep -rnE '^#include "' "$room" | grep -vE "#include \"(${allowed%|})/"; then
        echo "$room may include $* only"
        status=1
    fi
}
check base base
check sbi base sbi
check devices base devices
check kvm base kvm
check observe base observe
check vmm base sbi devices kvm observe vmm
if grep -rlE '#include <linux/kvm.h>' . | grep -v '^\./kvm/'; then
    echo "<linux/kvm.h> belongs to kvm alone"
    status=1
fi
if grep -rlE '#include "kvm/' vmm | grep -v '^vmm/main.cpp$'; then
    echo "only vmm/main.cpp names KVM's classes"
    status=1
fi
exit $status
