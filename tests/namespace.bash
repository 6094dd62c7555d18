# Network, mounts, processes and accounts of a script's own.  Source it.
#
#   namespace_enter [--ordinary] SETUP "$@"
#                      runs the script again inside fresh namespaces, and returns there, after the
#                      function SETUP ran as root.  They end with the script, and all that runs in
#                      them.  $namespace_user is then `root` or `ordinary`; the latter with
#                      --ordinary, or if the caller is no root.  If there are no namespaces here, a
#                      line says so ($namespace_lack) and it returns 1.
#
# For SETUP, which runs where the loopback device is up and no other is:
#   namespace_address ADDRESS...        addresses of this machine
#   namespace_accounts FOLDER NAME...   accounts (homes: FOLDER/NAME) that only this namespace has,
#                                       and those of Nixie; does nothing where root is not real
#   namespace_resolver ADDRESS          the DNS server in /etc/resolv.conf
#
# $namespace_tmp is a folder that goes away at the end; its work/ belongs to the user.
# shellcheck shell=bash disable=SC2034
namespace_lack='' namespace_user='' namespace_tmp=${NAMESPACE_TMP-}
namespace_uid=64123

namespace_address() {
    local address
    for address in "$@"; do
        case $address in
        *:*) ip -6 address add "$address/128" dev lo nodad || return ;;
        *) ip address add "$address/32" dev lo || return ;;
        esac
    done
}

namespace_accounts() {
    local folder=$1 id=64300 name
    shift
    [ "$NAMESPACE_REAL" = 1 ] || return 0
    grep -vE '^nixie[qsrdla]?:' /etc/passwd >"$namespace_tmp/passwd" && grep -vE '^nixie[qsrdla]?:' /etc/group >"$namespace_tmp/group" || return
    echo "nixie:x:$id:" >>"$namespace_tmp/group"
    for name in nixieq nixies nixier; do
        echo "$name:x:$((++id)):64300::/nonexistent:/usr/sbin/nologin" >>"$namespace_tmp/passwd"
    done
    for name in nixied nixiel nixiea "$@"; do
        echo "$name:x:$((++id)):" >>"$namespace_tmp/group"
        echo "$name:x:$id:$id::$folder/$name:/usr/sbin/nologin" >>"$namespace_tmp/passwd"
    done
    mount --bind "$namespace_tmp/passwd" /etc/passwd && mount --bind "$namespace_tmp/group" /etc/group
}

namespace_resolver() {
    echo "nameserver $1" >"$namespace_tmp/resolv.conf"
    chmod 644 "$namespace_tmp/resolv.conf"
    mount --bind "$namespace_tmp/resolv.conf" "$(realpath /etc/resolv.conf)"
}

namespace_prepare() {
    ip link set lo up || return
    # Nobody here needs to be root for port 25.
    echo 0 2>/dev/null >/proc/sys/net/ipv4/ip_unprivileged_port_start
    namespace_tmp=$(mktemp -d "${TMPDIR:-/tmp}/nixie-space.XXXXXX") && chmod 755 "$namespace_tmp" &&
        mkdir -m 777 "$namespace_tmp/work"
}

# The rest of the script, as an ordinary user.
namespace_go_on() {
    local -a user=(unshare --user --map-user="$NAMESPACE_UID" --map-group="$NAMESPACE_GID")
    [ "$NAMESPACE_REAL" = 1 ] && user=(setpriv --reuid=$namespace_uid --regid=$namespace_uid --clear-groups --no-new-privs)
    mkdir "$namespace_tmp/build" && cp -r "${BUILD:-build}/bin" "$namespace_tmp/build/bin" && cp -r tests "$namespace_tmp/tests" && chmod -R a+rX "$namespace_tmp"/{build,tests} || return
    (cd "$namespace_tmp" && env -i PATH="$PATH" LANG=C HOME="$namespace_tmp/work" TMPDIR="$namespace_tmp/work" \
        BUILD="$namespace_tmp/build" CHECK_ALL="${CHECK_ALL-}" NAMESPACE_TMP="$namespace_tmp" "${namespace_keep[@]}" \
        "${user[@]}" bash "tests/e2e/$(basename "$0")" --namespace-ordinary "${@}")
}

namespace_keep=() # NAME=VALUE: environment that an ordinary user's part needs too

namespace_enter() {
    local ordinary=0 setup status
    [ "$1" = --ordinary ] && { ordinary=1; shift; }
    setup=$1
    shift
    case ${1-} in
    --namespace-ordinary)
        namespace_user=ordinary
        return 0
        ;;
    --namespace-root)
        namespace_prepare && "$setup" || exit 3
        trap 'cd / && rm -rf --one-file-system "$namespace_tmp"' EXIT
        if [ $ordinary = 0 ] && [ "$NAMESPACE_REAL" = 1 ]; then
            namespace_user=root
            chmod 755 "$namespace_tmp/work"
            return 0
        fi
        namespace_go_on "${@:2}"
        exit
        ;;
    esac
    local -a spaces=(--net --mount --propagation private --pid --fork --kill-child --mount-proc)
    export NAMESPACE_REAL=1 NAMESPACE_UID NAMESPACE_GID
    NAMESPACE_UID=$(id -u) NAMESPACE_GID=$(id -g)
    if [ "$NAMESPACE_UID" != 0 ]; then
        NAMESPACE_REAL=0
        spaces=(--user --map-root-user "${spaces[@]}")
    fi
    if ! command -v unshare >/dev/null || ! command -v ip >/dev/null; then
        namespace_lack="unshare or ip is missing"
    elif ! unshare "${spaces[@]}" ip link set lo up 2>/dev/null; then
        namespace_lack="this user may not make network namespaces here"
    fi
    [ -z "$namespace_lack" ] || return 1
    exec unshare "${spaces[@]}" bash "$0" --namespace-root "$@"
}
