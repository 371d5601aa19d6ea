# shellcheck shell=bash
# A Linux guest under rvvmm in the emulated host (on a RISC-V machine: on that), from nothing, in one command; and the
# test of that.

demo_verb() {
    local words="console=ttyS0 quiet" more='' options=() preset cache
    while (($# > 0)); do
        case $1 in
        --guest) more=${2:?demo: --guest needs a value} && shift ;;
        *) options+=("$1") ;;
        esac
        shift
    done
    cd "$ROOT"
    setup_core
    preset=$(demo_preset) cache=$(inner_path "$CACHE")
    PROGRESS=ninja_progress step "building rvvmm" "build-$preset" build_target "$preset" rvvmm
    # Nobody to type: the guest runs a short script, and its status becomes rvvmm's and ours.
    if [[ -t 0 && -t 1 ]]; then words+=" rvvmm.size=$(stty size | tr ' ' x)"; else words+=" rvvmm.test=demo"; fi
    on_riscv64 || say "==> booting the emulated host, and in it the guest (some 15 s)"
    PROGRESS=host_progress host_run --timeout 0 "${options[@]}" -- "build/$preset/rvvmm" \
        --kernel "$cache/kernels/latest/Image" --smp 4 --mem 512M --initrd "$cache/images/guest.cpio" \
        --append "$words${more:+ $more}"
}

# rvvmm alone, in batches.
demo_preset() { if on_riscv64; then echo demo-native; else echo demo; fi; }

# Not nice: somebody waits for it.
build_target() {
    in_sdk cmake --preset "$1"
    in_sdk cmake --build "build/$1" --target "$2"
}

# For tools/dev test: what the demo shows to a script, and to somebody at a terminal.
demo_phase() {
    local status=0
    # Beside the fuzz targets this takes longer than a demo is given.
    PHASE=demo as_one_test demo_build build_target "$(demo_preset)" rvvmm || status=1
    PHASE=demo as_one_test demo_script demo_script_shows_the_guest || status=1
    PHASE=demo as_one_test demo_status demo_returns_the_guests_status || status=1
    PHASE=demo as_one_test demo_terminal demo_gives_a_shell || status=1
    return "$status"
}

demo_script_shows_the_guest() {
    local status=0 lines=() at=0 wanted
    timeout 300 "$ROOT/tools/dev" demo </dev/null >"$RESULTS/demo/script.out" || status=$?
    mapfile -t lines < <(tr -d '\r' <"$RESULTS/demo/script.out")
    printf '%s\n' "${lines[@]}"
    ((status == 0)) || { echo "error: tools/dev demo ended with $status" && return 1; }
    # Each behind the one before: what the guest was told to do, and what it said.
    for wanted in '\+ uname -a' 'Linux rvvmm-guest [0-9].* riscv64 GNU/Linux' '\+ nproc' 4 '\+ free' 'Mem: +[1-9].*' \
        '\+ date' '[A-Z][a-z]+ [A-Z][a-z]+ .* UTC 20[0-9]+'; do
        while ((at < ${#lines[@]})) && [[ ! ${lines[at]} =~ ^($wanted)$ ]]; do at=$((at + 1)); done
        ((at < ${#lines[@]})) || { echo "error: no line '$wanted'" && return 1; }
    done
}

demo_returns_the_guests_status() {
    local status=0
    timeout 300 "$ROOT/tools/dev" demo --guest "rvvmm.test=status rvvmm.status=7" </dev/null || status=$?
    ((status == 7)) || { echo "error: the guest's 7 came as $status" && return 1; }
}

# script(1), which every Debian has, lends a terminal; what shows on it goes to a file.
demo_gives_a_shell() {
    local folder=$RESULTS/demo shown=$RESULTS/demo/terminal.out status=0 pid keys
    rm -f "$folder/keys" "$shown" && mkfifo "$folder/keys"
    # Bounded, like the others: a background job hears no Ctrl-C, and this one holds its own input open.
    timeout --foreground 300 script --quiet --flush --return \
        --command "stty rows 33 cols 101 && exec '$ROOT/tools/dev' demo" "$shown" <>"$folder/keys" >/dev/null &
    pid=$!
    exec {keys}<>"$folder/keys"
    demo_waits_for 'guest# ' "$shown" "$pid" &&
        printf 'stty size\r' >&"$keys" && demo_waits_for '33 101' "$shown" "$pid" &&
        printf 'poweroff -f\r' >&"$keys" && demo_waits_for '' "$shown" "$pid" || status=1
    kill "$pid" 2>/dev/null || true
    wait "$pid" || status=$?
    exec {keys}>&-
    grep -qa $'\r    the host boots, [1-9][0-9]* of some' "$shown" || { echo "error: no progress is shown" && status=1; }
    tr -d '\r' <"$shown"
    ((status == 0)) || { echo "error: the demo on a terminal: $status" && return 1; }
}

# demo_waits_for TEXT FILE PID: until the file has the text; without a text, until the process has ended.
demo_waits_for() {
    local end=$((SECONDS + 120))
    while ((SECONDS < end)); do
        if [[ $1 ]] && grep -qaF "$1" "$2" 2>/dev/null; then return 0; fi
        if ! kill -0 "$3" 2>/dev/null; then [[ -z $1 ]] && return || break; fi
        sleep 0.2
    done
    echo "error: no '${1:-end}' on the terminal"
    return 1
}
