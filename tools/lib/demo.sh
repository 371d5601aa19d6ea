# shellcheck shell=bash
# A Linux guest under rvvmm in the emulated host, from nothing, in one command.

demo_verb() {
    local words="console=ttyS0 quiet"
    cd "$ROOT"
    setup_all
    step "building rvvmm" build-riscv64 build_target riscv64 rvvmm
    # Nobody to type: the guest runs a short script, and its status becomes rvvmm's and ours.
    if [[ -t 0 && -t 1 ]]; then words+=" rvvmm.size=$(stty size | tr ' ' x)"; else words+=" rvvmm.test=demo"; fi
    say "==> booting the emulated host, and in it the guest (some 15 s)"
    host_run --timeout 0 "$@" -- build/riscv64/rvvmm --kernel /cache/kernels/latest/Image --smp 4 --mem 512M \
        --initrd /cache/images/guest.cpio --append "$words"
}

build_target() {
    in_sdk nice cmake --preset "$1"
    in_sdk nice cmake --build "build/$1" --target "$2"
}
