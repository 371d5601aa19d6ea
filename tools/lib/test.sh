# shellcheck shell=bash
# Every check there is, in phases. A phase leaves GoogleTest and ctest files in build/results/PHASE, where they are
# counted; its output goes to build/results/PHASE.log, of which the end is shown where it fails.

TEST_ONLY='' TEST_FULL=0 TEST_FILTER='*' TEST_HOSTS=() TEST_HOSTS_GIVEN=1
# What a run leaves to --full is named in docs/testing.md.
DEFAULT_HOSTS=(latest:aia 6.12:aia 6.12:none)
ALL_HOSTS=("${DEFAULT_HOSTS[@]}" latest:none latest:emul 6.12:emul)

parse_test_options() {
    while (($# > 0)); do
        case $1 in
        --full) TEST_FULL=1 ;;
        --only) TEST_ONLY=$2 && shift ;;
        --filter) TEST_FILTER=$2 && shift ;;
        --host) TEST_HOSTS+=("$2") && shift ;;
        *) die "test: what is $1?" ;;
        esac
        shift
    done
    if [[ -z $TEST_ONLY ]]; then
        TEST_ONLY=lint,unit,fuzz,integration,figures,page,demo
        if ((TEST_FULL)); then TEST_ONLY+=,power-loss,debian; fi
    fi
    local word
    for word in ${TEST_ONLY//,/ }; do
        [[ " lint unit fuzz integration figures page power-loss demo debian " == *" $word "* ]] ||
            die "test --only: no such part: $word; there are lint, unit, fuzz, integration, figures, page," \
                "power-loss, demo, debian"
    done
    if ((${#TEST_HOSTS[@]} == 0)); then
        TEST_HOSTS=("${DEFAULT_HOSTS[@]}") TEST_HOSTS_GIVEN=0
        if ((TEST_FULL)); then TEST_HOSTS=("${ALL_HOSTS[@]}"); fi
    fi
}

wanted() { [[ ,$TEST_ONLY, == *",$1,"* ]]; }

# phase NAME CMD...: runs CMD, counts its tests, and adds a line to the table. Goes on after a failure.
# A phase in which nothing ran has failed: a test that is not found must not pass.
phase() {
    run_phase "$@"
    end_phase "$1" "$PHASE_STATUS"
}

# phase_on KERNEL NAME CMD...: on an emulated host with that kernel. Those with known kernels come first.
phase_on() {
    local kernel=$1
    shift
    run_phase "$@"
    end_phase "$1" "$PHASE_STATUS" "$(new_kernel_reason "$kernel")"
    kernel_is_newer_than_known "$kernel" || note_known_kernel
}

# Sets PHASE_STATUS.
run_phase() {
    local name=$1
    shift
    start_phase "$name"
    set +e
    (
        set -e
        "$@"
    ) >"$RESULTS/$name.log" 2>&1 </dev/null
    PHASE_STATUS=$?
    set -e
}

# two_phases NAME CMD NAME CMD: at the same time, for phases that keep about one core busy each. Their lines come
# together, at the end.
two_phases() {
    local pid status=0
    start_phase "$1"
    (
        set -e
        "$2"
    ) >"$RESULTS/$1.log" 2>&1 </dev/null &
    pid=$!
    at_exit "kill $pid 2>/dev/null"
    phase "$3" "$4"
    wait "$pid" || status=$?
    end_phase "$1" "$status"
}

start_phase() {
    say "==> $1"
    mkdir -p "$RESULTS/$1"
    date +%s >"$RESULTS/$1/started"
}

# end_phase NAME STATUS [TOLERATED]: sets PHASE_FAILED to how many tests failed, tolerated ones too.
end_phase() {
    local name=$1 status=$2 tolerated=${3:-} counted failure passed failed skipped seconds
    seconds=$(($(date +%s) - $(<"$RESULTS/$name/started")))
    mapfile -t counted < <(in_sdk python3 tools/lib/count-results.py "build/results/$name")
    read -r passed failed skipped <<<"${counted[0]:-}" || true
    : "${passed:=0}" "${failed:=0}" "${skipped:=0}"
    ((status == 0 || failed > 0)) || failed=1
    ((passed + failed + skipped > 0)) || failed=1
    if ((failed)); then
        for failure in "${counted[@]:1}"; do say "    FAILED: $failure"; done
        say "    build/results/$name.log:"
        show_failure "$RESULTS/$name.log"
    fi
    PHASE_FAILED=$failed
    if ((failed)) && [[ $tolerated ]]; then
        say "    WARNING: not counted as failed, because $tolerated"
        WARNINGS+=("$name: $failed failed on a kernel that is newer than the last one known good")
        skipped=$((skipped + failed)) failed=0
    fi
    say "    $passed passed, $failed failed, $skipped skipped in $seconds s"
    TABLE+=("$(printf '%-24s %6d s %7d %7d %7d' "$name" "$seconds" "$passed" "$failed" "$skipped")")
    PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
}

# What failed: each failure with what was seen, and all of them by name; or else the end.
show_failure() {
    grep -aE -A 12 'Failure$|ERROR: .*Sanitizer|WARNING: ThreadSanitizer' "$1" | head -n 120 >&2 || true
    grep -aE '^\[  FAILED  \]|error:|^(worse|gone): |\*\*\*Failed|\*\*\*Timeout' "$1" | head -n 40 >&2 || true
    ! grep -qaE '^\[  FAILED  \]|^(worse|gone): ' "$1" || return 0
    tail -n 40 "$1" >&2
}

# A check without tests of its own is one test: it writes a GoogleTest file for itself.
as_one_test() {
    local name=$1 status=0
    shift
    set +e
    (
        set -e
        "$@"
    )
    status=$?
    set -e
    {
        echo "<testsuites><testsuite><testcase name=\"$name\" status=\"run\" result=\"completed\">"
        ((status == 0)) || echo "<failure message=\"status $status\"/>"
        echo "</testcase></testsuite></testsuites>"
    } >"$RESULTS/$PHASE/$name.xml"
    return "$status"
}


# unit_phase PRESET: builds, and runs what ctest knows, save what needs KVM.
unit_phase() {
    local preset=$1 results=build/results/unit-$1
    build_preset "$preset"
    in_sdk ctest --test-dir "build/$preset" --show-only=json-v1 -LE kvm >"$results/ctest.json"
    # Without address randomisation: the shadow of GCC 14's TSan does not fit kernels with 32 bits of it.
    GTEST_OUTPUT=xml:$(inner_directory)/$results/ in_sdk setarch --addr-no-randomize \
        ctest --test-dir "build/$preset" -LE kvm --parallel "$(nproc)" --output-on-failure --no-tests=error \
        --output-junit "$(inner_directory)/$results/ctest.xml"
}

# What a guest can reach by any call, register or ring gets half a minute each, in two rows at once; the others ten
# seconds. With --full two minutes and one.
fuzz_phase() {
    local long=(sbi virtqueue devices pci) short=() half name row seconds=10 long_seconds=30 status=0 rows=()
    ((TEST_FULL)) && seconds=60 long_seconds=120
    build_preset asan
    while IFS= read -r name; do
        name=${name##*/fuzz_}
        [[ " ${long[*]} " == *" $name "* ]] || short+=("$name")
    done < <(fuzz_targets)
    half=$(((${#short[@]} + 1) / 2))
    for row in 0 1; do
        (
            fuzz_row "$long_seconds" "${long[@]:row * 2:2}" || status=1
            fuzz_row "$seconds" "${short[@]:row * half:half}" || status=1
            exit "$status"
        ) &
        rows+=($!)
    done
    for row in "${rows[@]}"; do wait "$row" || status=1; done
    return "$status"
}

# fuzz_row SECONDS NAME...: one after the other.
fuzz_row() {
    local seconds=$1 name status=0
    shift
    for name; do
        PHASE=fuzz as_one_test "fuzz_$name" fuzz_one "build/asan/tests/fuzz_$name" "$seconds" || status=1
    done
    return "$status"
}

# integration_environment PHASE KERNEL IRQCHIP: the variables by which the integration tests find everything; see
# tests/integration/test_environment.hpp.
integration_environment() {
    local build cache
    build=$(inner_path "$ROOT/build/$(default_preset)")
    cache=$(inner_path "$CACHE")
    mkdir -p "$RESULTS/$1/trees"
    printf '%s\n' \
        RVVMM_BIN="$build/rvvmm" RVVMM_GUESTS_DIR="$build/tests/guests" \
        RVVMM_GUEST_KERNEL_612="$cache/kernels/6.12/Image" RVVMM_GUEST_KERNEL_LATEST="$cache/kernels/latest/Image" \
        RVVMM_GUEST_INITRD="$cache/images/guest.cpio" RVVMM_TEST_FULL="$TEST_FULL" \
        RVVMM_EXT4_IMAGE="$cache/images/ext4.img" RVVMM_EXT4_MODULES="$cache/images/ext4.cpio" \
        RVVMM_ARTIFACTS="$(inner_path "$RESULTS/$1/trees")" \
        RVVMM_HOST_KERNEL="$2" RVVMM_HOST_IRQCHIP="$3" RVVMM_HOST_ZKR="$(host_zkr "$3")" \
        RVVMM_HOST_V="$(host_v "$2:$3")"
}

# host_zkr IRQCHIP: whether the emulated host of the tests is given Zkr, the `seed` CSR. One kind does without.
host_zkr() {
    case $1 in
    aia | none) echo true ;;
    emul) echo false ;;
    esac
}

# host_v HOST: whether it is given vector registers. One has them; 6.12 cannot deliver the exception by which Linux in
# a guest learns that a process uses them (docs/kvm-quirks.md, Illegal instructions).
host_v() {
    case $1 in
    latest:aia) echo true ;;
    *) echo false ;;
    esac
}

# check_device_trees PHASE: one test more of that phase, for the log of the phase. The device tree compiler has nothing
# to say about any of the trees that the tests left, and there are some.
check_device_trees() {
    # Of some tests only, those that leave trees may not be among them.
    [[ $TEST_FILTER == '*' || -n $(compgen -G "$RESULTS/$1/trees/*.dtb") ]] || return 0
    PHASE=$1 as_one_test device_trees device_trees_are_clean "build/results/$1/trees" >>"$RESULTS/$1.log" 2>&1
}

device_trees_are_clean() {
    # shellcheck disable=SC2016 # expanded inside
    in_sdk bash -c '
        status=0
        for tree in "$1"/*.dtb; do
            [[ -f $tree ]] || { echo "error: the tests left no device tree in $1" && exit 1; }
            said=$(dtc -I dtb -O dts -o /dev/null "$tree" 2>&1) && [[ -z $said ]] && echo "dtc: $tree is clean" && continue
            echo "error: dtc on $tree: $said"
            status=1
        done
        exit $status' check "$1"
}

# check_file_system PHASE: another one. The file system under which rvvmm was killed, over and over, has no mistake.
check_file_system() {
    local image=build/results/$1/trees/killed.ext4
    # The test that leaves it does not run everywhere.
    [[ -f $image ]] || grep -q '^\[ *OK \] DiskIntegrity' "$RESULTS/$1.log" || return 0
    PHASE=$1 as_one_test file_system in_sdk e2fsck -fn "$image" >>"$RESULTS/$1.log" 2>&1
}

# check_sbi_table PHASE KERNEL: another one. What the guest sbi_conformance saw is what docs/sbi-conformance.md has for
# that kernel; of other kernels it has nothing to say.
check_sbi_table() {
    local lines=build/results/$1/trees/sbi-conformance.lines known=" ${KERNELS[*]} "
    [[ $TEST_FILTER == '*' || -f $lines ]] || return 0
    [[ $known == *" $2 "* ]] || return 0
    PHASE=$1 as_one_test sbi_table sbi_answers_are_documented "$lines" "$2" >>"$RESULTS/$1.log" 2>&1
}

# check_saved_state PHASE HOST: another one. The tests of tests/state on that emulated host, which is booted once more.
check_saved_state() {
    local kernel=${2%%:*} irqchip=${2##*:} binary
    [[ $TEST_FILTER == '*' ]] || return 0
    binary=$(state_binary)
    PHASE=$1 as_one_test saved_state "$ROOT/tools/dev" host --pipe --kernel "$kernel" --irqchip "$irqchip" \
        --cpu "zkr=$(host_zkr "$irqchip"),v=$(host_v "$2")" --timeout 600 -- "${binary:-no-state-tests}" \
        >>"$RESULTS/$1.log" 2>&1
}

state_binary() { find "build/$(default_preset)/tests" -type f -name rvvmm_state_tests | head -n 1; }
integration_binary() { find "build/$(default_preset)/tests" -type f -name rvvmm_integration_tests | head -n 1; }

# start_integration HOST: boots one emulated host that runs all integration tests, in the background; its process in
# INTEGRATION_PID. A script of its own, so that it can be ended like any other.
start_integration() {
    local host=$1 kernel=${1%%:*} irqchip=${1##*:} name=integration-${1/:/-} settings=() binary
    binary=$(integration_binary)
    start_phase "$name"
    mapfile -t settings < <(integration_environment "$name" "$kernel" "$irqchip")
    env "${settings[@]}" "$ROOT/tools/dev" host --pipe --kernel "$kernel" --irqchip "$irqchip" \
        --cpu "zkr=$(host_zkr "$irqchip"),v=$(host_v "$host")" --timeout "$((TEST_FULL ? 5400 : 2400))" -- \
        "${binary:-no-integration-tests}" --gtest_filter="$TEST_FILTER" \
        --gtest_output="xml:$(inner_directory)/build/results/$name/integration.xml" \
        >"$RESULTS/$name.log" 2>&1 </dev/null &
    INTEGRATION_PIDS[$!]=$host
    at_exit "kill $! 2>/dev/null"
}

# Waits until one emulated host is done, and counts. One whose kernel lost a hart (docs/testing.md, "Seen, and not
# understood") is booted again, once, with a warning at the end of the run. Hosts with a kernel that was never seen to
# work are put off till it is known how the others fared.
finish_integration() {
    local pid status=0 host name
    wait -n -p pid "${!INTEGRATION_PIDS[@]}" || status=$? # of these: a set-up may have left another job that has ended
    host=${INTEGRATION_PIDS[$pid]}
    unset "INTEGRATION_PIDS[$pid]"
    name=integration-${host/:/-}
    if ((status == HOST_LOST_A_HART)) && [[ ! -e $RESULTS/$name.lost.log ]]; then
        mv "$RESULTS/$name.log" "$RESULTS/$name.lost.log"
        show_failure "$RESULTS/$name.lost.log"
        rm -rf "${RESULTS:?}/$name"
        WARNINGS+=("$name: a hart of the emulated host stopped; its tests were begun again (build/results/$name.lost.log)")
        start_integration "$host"
        return
    fi
    check_device_trees "$name" || status=1
    check_file_system "$name" || status=1
    check_sbi_table "$name" "${host%%:*}" || status=1
    check_saved_state "$name" "$host" || status=1
    if kernel_is_newer_than_known "${host%%:*}"; then
        NEW_KERNEL_HOSTS[$host]=$status
        return
    fi
    end_phase "$name" "$status"
    note_known_kernel
}

finish_new_kernels() {
    local host
    for host in "${!NEW_KERNEL_HOSTS[@]}"; do
        end_phase "integration-${host/:/-}" "${NEW_KERNEL_HOSTS[$host]}" "$(new_kernel_reason "${host%%:*}")"
    done
}

# Only a new kernel may fail without failing the run, and only where the same tests pass on one that is known.
forget_known_kernels() { KNOWN_KERNEL_PASSED=0 KNOWN_KERNEL_FAILED=0; }
note_known_kernel() { if ((PHASE_FAILED)); then KNOWN_KERNEL_FAILED=1; else KNOWN_KERNEL_PASSED=1; fi; }

# new_kernel_reason KERNEL: why a failure there is tolerated, if it is.
new_kernel_reason() {
    kernel_is_newer_than_known "$1" || return 0
    ((KNOWN_KERNEL_PASSED && !KNOWN_KERNEL_FAILED)) || return 0
    echo "Linux $(kernel_version "$1") is newer than $(kernel_field "$1" 3)"
}

# What a start and exits cost, beside what they did when the reference was made (docs/benchmarks.md). One kernel is
# enough: what is measured is ours.
figures_phase() {
    PHASE=figures as_one_test start_and_exit "$ROOT/tools/dev" bench --kernel latest --no-qemu --only start,exit \
        --against "$ROOT/tools/bench/reference-latest.json"
}

beside_the_last_host() {
    if wanted figures; then phase figures figures_phase; fi
    if wanted page; then phase page page_phase; fi
}

# Two hosts at once on two cores: a test waits much of its time. Beside the last one there is a core to spare for the
# figures and the browser.
integration_phases() {
    local host at_once=${RVVMM_TEST_JOBS:-2}
    declare -gA INTEGRATION_PIDS=() NEW_KERNEL_HOSTS=()
    forget_known_kernels
    for host in "${TEST_HOSTS[@]}"; do
        while ((${#INTEGRATION_PIDS[@]} >= at_once)); do finish_integration; done
        start_integration "$host"
    done
    while ((${#INTEGRATION_PIDS[@]} > 1)); do finish_integration; done
    beside_the_last_host
    while ((${#INTEGRATION_PIDS[@]})); do finish_integration; done
    finish_new_kernels
}

# Debian in a guest, on each kind of host (docs/testing.md).
DEBIAN_HOSTS=(6.12:aia 6.12:none latest:aia latest:none)
debian_phases() {
    local host hosts=("${DEBIAN_HOSTS[@]}")
    if ((TEST_HOSTS_GIVEN)); then hosts=("${TEST_HOSTS[@]}"); fi
    phase debian-image debian_image_phase
    ((PHASE_FAILED == 0)) || return 0
    forget_known_kernels
    for host in "${hosts[@]}"; do phase_on "${host%%:*}" "debian-${host/:/-}" debian_phase "$host"; done
}

debian_image_phase() { PHASE=debian-image as_one_test image with_lock debian-image debian_image_setup; }

debian_phase() {
    local image=$CACHE/images/debian/debian.img cache
    cache=$(inner_path "$CACHE")
    build_target riscv64 rvvmm
    "$ROOT/tools/dev" host --pipe --kernel "${1%%:*}" --irqchip "${1##*:}" --disk "$image" --disk "$image" \
        --timeout 3600 -- bash tools/lib/debian-job.sh build/riscv64/rvvmm "$cache/images/debian" \
        "$cache/images/ext4.cpio" "build/results/debian-${1/:/-}/debian.xml"
}

emulated_phases() {
    if wanted lint; then
        phase lint-format lint_phase format check_format
        phase lint-shell lint_phase shell check_shell
        local tidy=(shallow src)
        if ((TEST_FULL)); then tidy=(deep); fi # and everything
        phase lint-tidy lint_phase tidy check_tidy "${tidy[@]}"
    fi
    if wanted unit; then
        phase unit-asan unit_phase asan
        phase unit-tsan unit_phase tsan
    fi
    if wanted unit || wanted integration; then phase unit-riscv64 unit_phase riscv64; fi
    if wanted integration; then
        integration_phases
    else
        beside_the_last_host
    fi
    if wanted power-loss; then power_loss_phases; fi
    if wanted debian; then debian_phases; fi
    if wanted fuzz && wanted demo; then
        two_phases fuzz fuzz_phase demo demo_phase
    elif wanted fuzz; then
        phase fuzz fuzz_phase
    elif wanted demo; then
        phase demo demo_phase
    fi
}
# On a RISC-V machine: the same tests, built natively, on its own /dev/kvm.
native_phases() {
    if wanted unit || wanted integration; then phase unit-riscv64-native unit_phase riscv64-native; fi
    if wanted integration; then phase integration-native native_integration; fi
}
native_integration() {
    local settings status=0 kernel
    # 6.12 is one that the tests know; what else they may assert of this host nobody can say.
    kernel=$(uname -r | cut -d . -f 1-2)
    mapfile -t settings < <(integration_environment integration-native "$kernel" '')
    env "${settings[@]}" "$(integration_binary)" --gtest_filter="$TEST_FILTER" \
        --gtest_output="xml:$RESULTS/integration-native/integration.xml" || status=$?
    check_device_trees integration-native || status=1
    check_file_system integration-native || status=1
    check_sbi_table integration-native "$kernel" || status=1
    PHASE=integration-native as_one_test saved_state "$(state_binary)" || status=1
    return "$status"
}

lint_phase() { PHASE=lint-$1 as_one_test "$@"; }

print_summary() {
    local line
    printf '\n%-24s %8s %7s %7s %7s\n' phase time passed failed skipped
    printf '%s\n' "${TABLE[@]}"
    printf '%-24s %6d s\n' total "$SECONDS"
    for line in "${KERNELS[@]}"; do
        if kernel_is_newer_than_known "$line"; then
            printf '\nNOTE: the %s kernel, %s, is newer than the one known good, %s (tools/kernels.conf)\n' \
                "$line" "$(kernel_version "$line")" "$(kernel_field "$line" 3)"
        fi
    done
    for line in "${WARNINGS[@]}"; do printf '\n**** WARNING: %s ****\n' "$line"; done
    printf '\n%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
}

test_verb() {
    parse_test_options "$@"
    cd "$ROOT"
    RESULTS=$ROOT/build/results
    TABLE=() WARNINGS=() PASSED=0 FAILED=0 SKIPPED=0
    # One test run in a tree at a time: they would build over each other, and remove each other's results.
    local lock
    mkdir -p build
    exec {lock}>build/test.lock
    flock --nonblock "$lock" || die "another 'tools/dev test' runs in $ROOT"
    rm -rf "$RESULTS"
    mkdir -p "$RESULTS"
    setup_all
    if on_riscv64; then native_phases; else emulated_phases; fi
    print_summary
    ((PASSED + FAILED + SKIPPED > 0)) || die "no test ran"
    ((FAILED == 0))
}
