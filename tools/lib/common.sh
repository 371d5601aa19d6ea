# shellcheck shell=bash
# What every part needs: messages, timed steps, retries, stamps, the lock on the cache.

die() {
    printf 'tools/dev: %s\n' "$*" >&2
    exit 1
}

say() { printf '%s\n' "$*" >&2; }

# Cleanups run last first, whatever ends the script. INT and TERM are turned into an exit, so that they run then too.
CLEANUPS=()
at_exit() { CLEANUPS+=("$*"); }
run_cleanups() {
    local i
    for ((i = ${#CLEANUPS[@]} - 1; i >= 0; i--)); do
        eval "${CLEANUPS[i]}" || true
    done
}
trap run_cleanups EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

on_riscv64() { [[ $(uname -m) == riscv64 ]]; }

# Two scripts may run at once. The lock is shared while one is using the cache, so that nothing in use is pruned.
prepare_cache() {
    mkdir -p "$CACHE"/{logs,run,images,kernels,apt,ccache,tmp}
    CACHE=$(cd "$CACHE" && pwd)
    exec {USE_LOCK}>"$CACHE/use.lock"
    flock --shared "$USE_LOCK"
    # Folders of runs whose script was killed outright.
    local job pid
    for job in "$CACHE"/run/*; do
        pid=${job##*/} pid=${pid%%.*}
        [[ ! -d $job || -d /proc/$pid ]] || rm -rf "$job"
    done
}

# Runs a function while no other tools/dev makes things in the cache.
with_setup_lock() { with_lock setup "$@"; }

# with_lock NAME FUNCTION...: while no other tools/dev does that.
with_lock() {
    local lock
    exec {lock}>"$CACHE/$1.lock"
    shift
    if ! flock --nonblock "$lock"; then
        say "==> waiting for another tools/dev that is setting up"
        flock "$lock"
    fi
    "$@"
    exec {lock}>&-
}

# step TITLE LOG CMD...: one line of progress with its time; the log's end is shown where it fails.
# CMD runs in a subshell outside any condition, so that errexit holds inside it: never call step in `if` or `||`.
# PROGRESS, where it is set, is a function that says how far a step has come, by its log and the seconds till then.
step() {
    local title=$1 log=$CACHE/logs/$2.log start=$SECONDS status
    shift 2
    say "==> $title"
    : >"$log"
    [[ -z ${PROGRESS:-} ]] || start_progress "$PROGRESS" "$log"
    set +e
    (
        set -e
        "$@"
    ) >"$log" 2>&1 </dev/null
    status=$?
    set -e
    end_progress
    if ((status != 0)); then
        say "    failed with status $status after $((SECONDS - start)) s; the end of $log:"
        tail -n 40 "$log" >&2
        exit "$status"
    fi
    say "    done in $((SECONDS - start)) s"
}

REPORTER=''
start_progress() {
    report_progress "$@" &
    REPORTER=$!
}

end_progress() {
    [[ $REPORTER ]] || return 0
    if kill "$REPORTER" 2>/dev/null; then
        wait "$REPORTER" 2>/dev/null || true
        [[ ! -t 2 ]] || printf '\r\e[K' >&2
    fi
    REPORTER=''
}
at_exit end_progress

# report_progress FUNCTION LOG: on a terminal one line that is written anew each second; elsewhere a line every 15
# seconds. It ends where the function fails, or from outside: it has no process of its own that would outlive it.
report_progress() {
    local start=$SECONDS pause=15 text never
    [[ ! -t 2 ]] || pause=1
    exec {never}<> <(:)
    while ! read -r -t "$pause" -u "$never"; do
        text=$("$1" "$2" "$((SECONDS - start))" 2>/dev/null) || break
        [[ $text ]] || continue
        if [[ -t 2 ]]; then printf '\r    %s\e[K' "$text" >&2; else say "    $text"; fi
    done
    [[ ! -t 2 ]] || printf '\r\e[K' >&2
}

# Ninja's own count, of what is done: "[12/60] Building CXX object ...".
ninja_progress() {
    awk -v seconds="$2" -F '[][/ ]' '/^\[[0-9]+\/[0-9]+\] (Building|Linking) / { text = $2 " of " $3 " files made" }
        END { print (text ? text : "the first files are compiled") ", " seconds " s" }' "$1"
}

# Of apt-get and dpkg: packages that are fetched, then unpacked, then set up, of all that are to be installed: as
# apt-get says, or of PACKAGES.
packages_progress() {
    awk -v seconds="$2" -v all="${PACKAGES:-0}" '/ newly installed, / { all = $3; done = 0; what = "fetched" }
        /^Get:[0-9]+ .* \[[0-9.]+ k?M?B\]$/ { if (what == "fetched") done++ }
        /^Unpacking / { if (what != "unpacked") done = 0; what = "unpacked"; done++ }
        /^Setting up / { if (what != "set up") done = 0; what = "set up"; done++ }
        END { print (what ? done " of " all " packages " what : "lists of packages are fetched") ", " seconds " s" }' "$1"
}

# Mirrors hiccup: three tries of an external command.
retry() {
    local try
    for try in 1 2 3; do
        "$@" && return 0
        say "try $try of 3 failed: $*"
        sleep $((try * 3))
    done
    return 1
}

# hash_of FILE|STRING...: one short key for all inputs of a step.
hash_of() {
    local input
    for input in "$@"; do
        if [[ -f $input ]]; then cat "$input"; else printf '%s\n' "$input"; fi
    done | sha256sum | cut -c1-16
}

# A stamp is written last, so a step that was cut half-way has none.
stamped() { [[ -e $1 && -f $1.stamp && $(<"$1.stamp") == "$2" ]]; }
stamp() { printf '%s\n' "$2" >"$1.stamp"; }

# Leaves no half: the caller makes $1.tmp.*, this puts it in place.
put_in_place() { rm -rf "$2" && mv -T "$1" "$2"; }
