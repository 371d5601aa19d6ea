# shellcheck shell=bash
# Debian's packages: the machine's own, and those of other releases and machines.

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# The repository of Debian proper that this machine's own apt uses.
debian_mirror() {
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(CREATED_BY)|$(REPO_URI)' |
        awk -F'|' '$1 == "Debian" && $2 == "Debian" && $3 == "main" && $4 == "Packages" { print $5; exit }'
}

install_host_tools() {
    retry apt-get update
    DEBIAN_FRONTEND=noninteractive retry apt-get install -y --no-install-recommends "$@"
}

# Installs what this machine lacks, and nothing where it lacks nothing.
need_host_tools() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    ((${#missing[@]} == 0)) && [[ -n $(debian_mirror) ]] && return
    [[ $(id -u) == 0 ]] || die "run as root: packages are missing (${missing[*]})"
    PROGRESS=packages_progress step "installing ${missing[*]:-package lists}" host-tools install_host_tools "${missing[@]}"
}

# suite_apt SUITE ARCHITECTURES TOOL ARGS...: apt with sources and state of its own: nothing of the machine's apt is
# changed, but its proxy settings hold. Signatures are checked; the date till which an index is valid is not, since a
# late mirror or a snapshot will do. The first of the architectures (a,b) counts as the machine's.
suite_apt() {
    local suite=$1 architectures=$2 tool=$3 state=$CACHE/apt/$1-$2 options=() architecture
    shift 3
    mkdir -p "$state"/{lists/partial,archives/partial,preferences.d}
    touch "$state/status"
    for architecture in ${architectures//,/ }; do options+=(-o APT::Architectures::="$architecture"); done
    echo "deb [arch=$architectures signed-by=$SDK$KEYRING] $(debian_mirror) $suite main" >"$state/sources.list"
    "$tool" -o Dir::State="$state" -o Dir::State::status="$state/status" -o Dir::Cache="$state" \
        -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferencesparts="$state/preferences.d" -o Dir::Etc::preferences=/dev/null \
        -o APT::Architecture="${architectures%%,*}" "${options[@]}" -o APT::Sandbox::User=root \
        -o Acquire::Check-Valid-Until=false -o Acquire::Retries=3 -o Acquire::Languages=none "$@"
}

# A release has two names, what it is called and what it is to Debian at present.
declare -A OTHER_SUITE_NAMES=([trixie]='stable oldstable' [testing]=forky)

# served_suite RELEASE ARCHITECTURES: the name under which the mirror has all of the release's index, which
# suite_apt knows then. While a mirror, or a cache before it, is being brought up to date, one name's files can fail to
# fit their signature for hours; the other name's are files of their own.
served_suite() {
    local release=$1 architectures=$2 name pause
    for pause in 0 5 20 60 120; do
        sleep "$pause"
        for name in "$release" ${OTHER_SUITE_NAMES[$release]:-}; do
            suite_apt "$name" "$architectures" apt-get update --error-on=any >&2 || continue
            # A role passes from release to release.
            suite_apt "$name" "$architectures" apt-cache policy | grep -E "[=,][an]=$release(,|$)" >/dev/null || continue
            say "$release is taken as $name"
            echo "$name"
            return
        done
    done
    die "the mirror has no whole index of $release ($architectures)"
}
