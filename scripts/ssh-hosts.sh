#!/usr/bin/env bash
# Hosts to try `perjury test --env ssh` with on one machine: network namespaces with an sshd and a /tmp of their own each.
#
#   scripts/ssh-hosts.sh up DIR [COUNT]     makes them; COUNT is 3 if not given
#   scripts/ssh-hosts.sh down DIR           ends their sshds and removes them
#   scripts/ssh-hosts.sh run DIR COMMAND …  runs a command where the hosts can be reached
#
# DIR must not be below /tmp. It gets `key`, `known_hosts` and `hosts` (for --ssh-key, --known-hosts and --nodes-file).
# Needs root, iproute2 and openssh-server. Nothing outside the namespaces and DIR is changed.
set -euo pipefail

action=${1:?up, down or run}
dir=$(realpath -m "${2:?a directory}")
name=perjury-ssh-$(basename "$dir")

up() {
    local count=$1
    case $dir in /tmp/*) echo "ssh-hosts: give a directory that is not below /tmp, which every host has its own of" >&2; exit 1 ;; esac
    mkdir -p "$dir" /run/sshd
    [ -f "$dir/key" ] || ssh-keygen -q -t ed25519 -N '' -f "$dir/key"
    [ -f "$dir/host_key" ] || ssh-keygen -q -t ed25519 -N '' -f "$dir/host_key"
    : > "$dir/hosts"
    : > "$dir/known_hosts"
    ip netns add "$name"
    ip -n "$name" link set lo up
    ip -n "$name" link add br0 type bridge
    ip -n "$name" link set br0 up
    ip -n "$name" addr add 10.78.0.254/24 dev br0
    ip -n "$name" addr add fd78::254/64 dev br0 nodad
    for i in $(seq "$count"); do
        host "$i"
    done
    for i in $(seq "$count"); do
        for _ in $(seq 100); do
            if ip netns exec "$name" bash -c "exec 3<>/dev/tcp/10.78.0.$i/22" 2>/dev/null; then continue 2; fi
            sleep 0.05
        done
        echo "ssh-hosts: sshd $i does not answer; see $dir/$i/sshd.log" >&2
        exit 1
    done
}

host() {
    local i=$1 ns=$name-$1
    mkdir -p "$dir/$i/tmp"
    chmod 1777 "$dir/$i/tmp"
    ip netns add "$ns"
    ip -n "$ns" link set lo up
    ip -n "$name" link add "port$i" type veth peer name eth0 netns "$ns"
    ip -n "$name" link set "port$i" master br0 up
    ip -n "$ns" link set eth0 up
    ip -n "$ns" addr add "10.78.0.$i/24" dev eth0
    ip -n "$ns" addr add "fd78::$i/64" dev eth0 nodad
    cat > "$dir/$i/sshd_config" <<EOF
Port 22
HostKey $dir/host_key
PidFile $dir/$i/sshd.pid
AuthorizedKeysFile $dir/key.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
MaxStartups 100
Subsystem sftp internal-sftp
EOF
    ip netns exec "$ns" unshare --mount bash -c "mount --make-rslave / && mount --bind '$dir/$i/tmp' /tmp \
        && exec /usr/sbin/sshd -f '$dir/$i/sshd_config' -E '$dir/$i/sshd.log'"
    echo "root@10.78.0.$i" >> "$dir/hosts"
    echo "10.78.0.$i $(cut -d' ' -f1,2 "$dir/host_key.pub")" >> "$dir/known_hosts"
}

down() {
    for config in "$dir"/*/sshd_config; do
        [ -f "$config" ] || continue
        local i
        i=$(basename "$(dirname "$config")")
        [ -f "$dir/$i/sshd.pid" ] && kill "$(cat "$dir/$i/sshd.pid")" 2>/dev/null || true
        ip netns delete "$name-$i" 2>/dev/null || true
    done
    ip netns delete "$name" 2>/dev/null || true
    rm -rf "$dir"
}

case $action in
    up) up "${3:-3}" ;;
    down) down ;;
    run) shift 2; exec ip netns exec "$name" "$@" ;;
    *) echo "ssh-hosts: up, down or run" >&2; exit 1 ;;
esac
