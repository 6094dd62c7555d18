# Postfix from Debian's package as the peer of the mail benchmark.  Source it inside the benchmark's
# namespaces (net, mount, pid); it needs $place, $peer_root and the accounts of mail.inside.
#
#   postfix_start MODE    MODE: accept (everything is held), maildir, relay (to 127.0.0.1:2526)
#   postfix_stop
#   postfix_idle          no message is left to be delivered
#
# Its name is $postfix_name, it listens on $postfix_address, port 25, and hands what is for others to
# $postfix_relay.  `wait_for_port ADDRESS PORT` is the caller's.
#
# Nothing may stand twice in main.cf: postlogd warns itself of it, and waits for itself for ever.
# shellcheck shell=bash disable=SC2154
postfix_home=$place/postfix postfix_name=${postfix_name:-mail.example}
postfix_address=${postfix_address:-127.0.0.1} postfix_relay=${postfix_relay:-[127.0.0.1]:2526}
postfix_run() {
    LD_LIBRARY_PATH=$peer_libraries "$peer_root/usr/sbin/postfix" -c "$postfix_home/etc" "$@" 2>>"$postfix_home/out"
}

postfix_configure() {
    local mode=$1 destination=$postfix_name restrictions='permit_mynetworks, reject'
    mkdir -p "$postfix_home"/{etc,spool,data} || return
    chown postfix "$postfix_home/data"
    cp "$peer_root/usr/share/postfix/master.cf.dist" "$postfix_home/etc/master.cf" || return
    cp "$peer_root"/etc/postfix/{postfix-files,dynamicmaps.cf} "$postfix_home/etc/" 2>/dev/null
    [ "$mode" = accept ] && restrictions="check_client_access static:HOLD, $restrictions"
    [ "$mode" = relay ] && destination=
    cat >"$postfix_home/etc/main.cf" <<CONFIG
compatibility_level = 3.6
queue_directory = $postfix_home/spool
data_directory = $postfix_home/data
command_directory = $peer_root/usr/sbin
daemon_directory = $peer_root/usr/lib/postfix/sbin
shlib_directory = $peer_root/usr/lib/postfix
meta_directory = $postfix_home/etc
mail_owner = postfix
setgid_group = postdrop
myhostname = $postfix_name
mydestination = $destination
mynetworks = 127.0.0.0/8 192.0.2.0/24 198.51.100.0/24
inet_interfaces = $postfix_address
inet_protocols = ipv4
home_mailbox = Maildir/
relayhost = $postfix_relay
smtp_dns_support_level = disabled
alias_maps =
local_recipient_maps =
mailbox_size_limit = 0
maillog_file = $postfix_home/maillog
maillog_file_prefixes = $place
smtpd_peername_lookup = no
smtpd_recipient_restrictions = $restrictions
smtpd_client_connection_count_limit = 0
smtpd_tls_security_level = none
smtp_tls_security_level = none
import_environment = LD_LIBRARY_PATH MAIL_CONFIG
export_environment = LD_LIBRARY_PATH MAIL_CONFIG
CONFIG
    # Its daemons run outside of a chroot: there is nothing in one.
    sed -i -E 's/^([a-z-]+ +(inet|unix|unix-dgram|pass|fifo) +[-yn]+ +[-yn]+ +)[-y]( )/\1n\3/' "$postfix_home/etc/master.cf"
}

postfix_start() {
    rm -rf "$postfix_home"
    postfix_configure "$1" || return
    postfix_run start >>"$postfix_home/out" || { cat "$postfix_home/out" >&2; return 1; }
    wait_for_port "$postfix_address" 25
}

postfix_root_pid() { cat "$postfix_home/spool/pid/master.pid" 2>/dev/null | tr -d ' '; }

postfix_stop() {
    postfix_run stop >/dev/null
    rm -rf "$postfix_home"
}

postfix_idle() {
    [ -z "$(find "$postfix_home"/spool/{incoming,active,maildrop,deferred} -type f -print -quit)" ]
}
