# For the tests of nixie serve: a folder $tmp to be in, with the programs and ./send; sourced behind
# tap.bash.
#
#   serve ARGUMENT...                 nixie serve, for minutes at most
#   serve_in_background ARGUMENT...   starts it; its pid is in $server, its output in ./out
#   start_foreground ARGUMENT...      the same without a command, and waits until it listens
#   running                           prints what the last one started still runs; gone: nothing
#   dead PID
#   ./send [-f SENDER] [-p PORT] TO [SUBJECT [BODY]]   one message; the replies to RCPT and to it
# shellcheck shell=bash
new_folder
take_programs
repository=$PWD
cd "$tmp" || exit 1
export TMPDIR=$tmp/temporary
mkdir -m 1777 "$TMPDIR"
unset GITHUB_ACTIONS NO_COLOR APP_BREAK NIXIE_SMTP_HOST NIXIE_SMTP_PORT

serve() { timeout 200 "$nixie" serve "$@"; }

serve_in_background() {
    : >out # so that nobody takes what is there for what this one says
    "$nixie" serve "$@" >out 2>&1 </dev/null &
    server=$!
}

start_foreground() {
    serve_in_background "$@"
    wait_for 10 grep -q '^mail goes to' out
}

# The actors are no children of a dead process: found by where they run.
running() { pgrep -f "^nixie-actor-smtp-server" | while read -r pid; do
    [ "$(readlink "/proc/$pid/exe")" = "$tmp/bin/nixie-actor-smtp-server" ] && echo "$pid"
done; }
gone() { [ -z "$(running)" ]; }
dead() { ! kill -0 "$1" 2>/dev/null; }

cat >send <<'END'
#!/bin/bash
from=robot@app.example port=$NIXIE_SMTP_PORT
while getopts f:p: option; do case $option in f) from=$OPTARG ;; *) port=$OPTARG ;; esac; done
shift $((OPTIND - 1))
trap '' PIPE
exec 3<>"/dev/tcp/$NIXIE_SMTP_HOST/$port" || exit 9
say() { # LINE: prints the last line of the reply
    local line=
    [ -n "$1" ] && printf '%s\r\n' "$1" >&3 2>/dev/null
    while read -r -t 60 line <&3; do [[ $line =~ ^[0-9]{3}- ]] || break; done
    line=${line%$'\r'}
    [ -z "$line" ] || echo "$line"
}
say '' >/dev/null
say "EHLO app.example" >/dev/null
say "MAIL FROM:<$from>" >/dev/null
reply=$(say "RCPT TO:<$1>")
[ -z "$reply" ] || echo "$reply"
if [[ $reply == 2* ]]; then
    say DATA >/dev/null
    say "Subject: ${2-hello}"$'\r\n\r\n'"${3-text}"$'\r\n.'
fi
[[ $(say QUIT) == 221* ]] || [[ $reply == 421* ]]
END
chmod 755 send
