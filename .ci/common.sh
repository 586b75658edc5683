# What the gate and the nightly run share: steps, expectations, what is left behind, real stores. Sourced by both.
#
# Work is done in $work, which is removed at the end. `missing` is never silent: what CI installed is named in
# PERJURY_REQUIRE, and a test that does not find it fails instead of being skipped.

step() { printf '\n=== %s (%s s)\n' "$1" "$SECONDS"; }

work=$(mktemp -d)
chmod 755 "$work"
dockerd=

# Ends the Docker engine that was started here, if any.
clean_up() {
    if [ -n "$dockerd" ]; then
        kill "$dockerd" && wait "$dockerd" || true
    fi
    if [ -n "${release:-}" ]; then
        kill "$release" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT

# Runs a command and demands its exit code: `expect 1 perjury …`. Nothing is tried twice.
expect() {
    local want=$1 got=0
    shift
    "$@" </dev/null || got=$?
    if [ "$got" != "$want" ]; then
        echo "ci: exit code $got instead of $want: $*" >&2
        return 1
    fi
}

# Tests a store that keeps its promise: `truthful etcd --time-limit 10s`. A verdict of invalid fails at once, since it is a
# false accusation or a bug. Only a run in which too little happened (unknown, 2) is made again, twice at most.
truthful() {
    local code try
    for try in 1 2 3; do
        code=0
        "$perjury" test "$@" --nodes 3 --runs "$work/runs" </dev/null || code=$?
        [ "$code" != 0 ] || return 0
        [ "$code" = 2 ] || break
    done
    echo "ci: exit code $code instead of 0 (try $try): perjury test $*" >&2
    return 1
}

# Tests a store that breaks its promise when faults hit it at the right moment: `untruthful redis`. Runs in which that did not
# happen (valid or unknown) are made again, twice at most.
untruthful() {
    local code try
    for try in 1 2 3; do
        code=0
        "$perjury" test "$@" --stop-on-violation --nodes 3 --runs "$work/runs" </dev/null || code=$?
        [ "$code" != 1 ] || return 0
        [ "$code" = 0 ] || [ "$code" = 2 ] || break
    done
    echo "ci: exit code $code instead of 1 (try $try): perjury test $*" >&2
    return 1
}

# Runs commands side by side, two at a time, each with its output in one piece: names of functions.
side_by_side() {
    local name failed=0
    printf '%s\n' "$@" >"$work/queue"
    local workers=() slot
    for slot in 1 2; do
        (
            while name=$(flock "$work/queue" sh -c 'head -1 "$1"; sed -i 1d "$1"' sh "$work/queue") && [ -n "$name" ]; do
                if "$name" >"$work/$name.out" 2>&1; then result=passed; else result=FAILED; fi
                flock "$work/print" sh -c 'printf "\n--- %s: %s\n" "$1" "$2"; cat "$3"' sh "$name" "$result" "$work/$name.out"
                [ "$result" = passed ] || echo "$name" >>"$work/failed"
            done
        ) &
        workers+=($!)
    done
    wait "${workers[@]}" || failed=1
    if [ "$failed" != 0 ] || [ -e "$work/failed" ]; then
        echo "ci: failed: $(cat "$work/failed" 2>/dev/null | tr '\n' ' ')" >&2
        return 1
    fi
}

# What of perjury is on the host: processes of this clone, named namespaces, rules; one a line, sorted.
of_perjury() {
    {
        pgrep -af "^($work|$PWD/target)/[^ ]*perjury[^ ]* |$work/runs" || true
        ip netns list 2>/dev/null || true
        if [ "$(id -u)" = 0 ] && command -v iptables >/dev/null; then
            iptables -S 2>/dev/null | grep -i perjury || true
        fi
    } | sort
}
of_perjury >"$work/before"

# Nothing may be left on the host that was not there before.
nothing_left() {
    local left
    left=$(comm -13 "$work/before" <(of_perjury))
    if [ -n "$left" ]; then
        echo "ci: left behind: $left" >&2
        exit 1
    fi
}

# Installs the real stores, a browser and what SSH is built with, starts a Docker engine, and names in PERJURY_REQUIRE what is
# there now. As an unprivileged user it takes what is there.
install_programs() {
    step "install the real stores, and iptables, so that both ways of cutting links are tested"
    PERJURY_ETCD_351=$(scripts/install-systems.sh "$work/programs")
    export PERJURY_ETCD_351
    export PATH=$work/programs/bin:$PATH
    if [ "$(id -u)" = 0 ] && ! pkg-config --exists openssl 2>/dev/null; then
        step "install what SSH is built with"
        DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes pkg-config libssl-dev </dev/null >/dev/null
    fi
    if [ "$(id -u)" = 0 ] && command -v dockerd >/dev/null && ! docker version >/dev/null 2>&1; then
        step "start a Docker engine"
        dockerd >"$work/dockerd.log" 2>&1 &
        dockerd=$!
        for _ in $(seq 100); do
            ! docker version >/dev/null 2>&1 || break
            sleep 0.2
        done
        docker version >/dev/null || tail -5 "$work/dockerd.log" >&2
    fi
    if [ "$(id -u)" = 0 ] && ! command -v chromedriver >/dev/null; then
        step "install a browser, so that reports are looked at"
        DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes chromium chromium-driver </dev/null >/dev/null || true
    fi
}

# Whether a thing that tests need is here.
has() {
    case $1 in
        zookeeper) [ -e /usr/share/java/zookeeper.jar ] && command -v java >/dev/null ;;
        redis) command -v redis-server >/dev/null ;;
        docker) docker version >/dev/null 2>&1 ;;
        histories) [ -e ../shared/histories/labels.tsv ] ;;
        *) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
    esac
}

# Names what is here in PERJURY_REQUIRE, so that no test is skipped for want of it, and says what is not.
require_installed() {
    local name require=()
    for name in etcd zookeeper redis consul docker chromedriver iptables sshd histories; do
        if has "$name"; then
            require+=("$name")
        else
            echo "ci: skipped: what needs $name, because it is not here"
        fi
    done
    PERJURY_REQUIRE=$(IFS=,; echo "${require[*]-}")
    export PERJURY_REQUIRE
    echo "ci: required: $PERJURY_REQUIRE"
}
