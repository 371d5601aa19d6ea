#!/usr/bin/env bash
# tidy-files.sh KEY deep|shallow FILE...: clang-tidy on these files, remembered where they are clean. KEY stands for
# everything else. Deep and shallow are the analyzer's own words; a file that is clean when looked at deeply is so at a
# glance. At a glance they are read as one, since most of the time goes into the headers they share; one by one where
# that found something, which may be no more than two names in two of them that are the same.
set -euo pipefail
key=$1 depth=$2
shift 2

options=()
if [[ $depth == shallow ]]; then
    options=(--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=mode=shallow)
fi

# look_at FILE [OPTION...]: says what it found.
look_at() {
    local output
    output=$(nice clang-tidy --quiet -p build/tidy "${options[@]}" "${@:2}" "$1" 2>&1) && return
    grep -vE '^[0-9]+ warnings? generated' <<<"$output"
    return 1
}

files=() marks=()
for file; do
    mark=/cache/tidy/$({ echo "$key $file" && cat "$file"; } | sha256sum | cut -c1-24)
    [[ ! -e $mark ]] || continue
    if [[ $depth == shallow ]]; then
        mark+=.shallow
        [[ ! -e $mark ]] || continue
    fi
    files+=("$file") marks+=("$mark")
done
((${#files[@]})) || exit 0

if [[ $depth == shallow ]]; then
    # By its name it gets the compile command of its first file. Not by #include: the analyzer looks at one file alone.
    all=build/tidy/together/${files[0]}
    mkdir -p "${all%/*}"
    cat "${files[@]}" >"$all"
    # A name of one file may be that of another one's parameter. The compiler looks at each file alone.
    if look_at "$all" --extra-arg=-Wno-shadow >/dev/null; then
        touch "${marks[@]}"
        exit
    fi
fi

status=0
for i in "${!files[@]}"; do
    if look_at "${files[i]}"; then touch "${marks[i]}"; else status=1; fi
done
exit "$status"
