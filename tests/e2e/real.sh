#!/bin/bash
# A real server, run end to end as an ordinary user.
. tests/e2e/tap.bash
. tests/e2e/server.bash
as_ordinary_user
unset NIXIE_HOME
home=$tmp/home
trap 'for p in start send queue; do server_kill "$home" $p; server_kill "$tmp/home2" $p; server_kill "$tmp/a:b c" $p; server_kill "$tmp/moved" $p; done; rm -rf "$tmp"' EXIT

inject() { "$home/bin/nixie-inject" "$@"; }

# --- one message ---------------------------------------------------------------------------------
check "make a home with users" server_make "$home" alice bob
check "start" server_start "$home"
check_status 1 "a second start is refused" "$nixie" mta start "$home"
check "inject takes a message" inject -f "bob@$domain" "alice@$domain" <<<"Subject: first

Hello, alice."
check "it arrives" wait_for 10 has_mails "$home" alice 1
mail=$(mails "$home" alice | head -1)
is "Return-Path comes first" "$(sed -n 1p "$mail")" "Return-Path: <bob@$domain>"
is "then Delivered-To" "$(sed -n 2p "$mail")" "Delivered-To: alice@$domain"
check "then Received" grep -q '^Received: ' "$mail"
is "the subject" "$(grep -c '^Subject: first$' "$mail")" 1
is "the body" "$(sed '1,/^$/d' "$mail")" "Hello, alice."
check "the queue is empty then" wait_empty "$home" 10
for word in 'new msg' 'info msg' 'starting delivery' 'success' 'end msg'; do
    check "the log says '$word'" grep -q "^@[0-9a-f]* .*$word" "$home/log/current"
done

check "sendmail takes a message" "$home/bin/nixie-sendmail" -i -f "bob@$domain" "alice@$domain" <<<"Subject: second

."
check "it arrives" wait_for 10 has_mails "$home" alice 2

# --- failures ------------------------------------------------------------------------------------
check "a message to nobody is taken" inject -f "bob@$domain" "nobody@$domain" <<<"Subject: third

Hello?"
check "and bounces" wait_for 10 has_mails "$home" bob 1
mail=$(mails "$home" bob | head -1)
is "with an empty sender" "$(sed -n 1p "$mail")" "Return-Path: <>"
check "naming the recipient" grep -q "^<nobody@$domain>:" "$mail"
check "and the message" grep -q '^Subject: third' "$mail"
check_status 0 "status: running" "$nixie" mta status "$home"
check "stop" "$nixie" mta stop "$home"
check_status 1 "status: not running" "$nixie" mta status "$home"
is "no process is left" "$(for p in start send queue clean lspawn log; do server_pids "$home" $p; done)" ""

# --- kills while messages come in ----------------------------------------------------------------
# A sender repeats until it is told 0; what it was told 0 for must arrive.
send_numbered() {
    local i
    for ((i = $1; i < $2; i++)); do
        until printf 'Subject: kill\nX-Number: %d\n\nbody\n' "$i" | inject -f "bob@$domain" "alice@$domain" 2>/dev/null; do
            sleep 0.1
        done
    done
}
none_left() { for p in start send queue clean lspawn rspawn log; do [ -z "$(server_pids "$home" $p)" ] || return; done; }
kills() {
    local program
    for program in queue send queue lspawn clean start send; do
        sleep 0.3
        server_kill "$home" $program
        if [ $program = start ]; then
            wait_for 10 none_left # only then may there be another
            server_start "$home"
        fi
        wait_for 10 server_is_up "$home"
    done
}
rm -f "$home"/users/alice/Maildir/new/*
check "start again" server_start "$home"
senders=()
for i in 0 1 2 3; do
    send_numbered $((i * 50)) $((i * 50 + 50)) &
    senders+=($!)
done
kills
wait "${senders[@]}"
server_is_up "$home" || server_start "$home"
numbers() { mails "$home" alice | xargs -r grep -h '^X-Number: ' | sort -u | wc -l; }
all_numbers() { [ "$(numbers)" = 200 ]; }
wait_for 30 all_numbers
is "200 messages, 7 kills: every accepted one arrives" "$(numbers)" 200
check "the queue drains" wait_drained "$home" 20
left=$(ls "$home/queue/mess" | wc -l)
check "what was never accepted is one text a kill at most" test "$left" -le 7
rm -f "$home"/queue/{pid,mess,intd}/*
is "nothing was set aside" "$(ls "$home/queue/corrupt")" ""
server_stop "$home"

# --- a spool that moves --------------------------------------------------------------------------
for i in {1..20}; do
    inject -f "bob@$domain" "alice@$domain" <<<"Subject: moved $i" || break
done
is "messages are accepted while the server is stopped" "$(ls "$home/queue/todo" | wc -l)" 20
server_make "$tmp/home2" alice bob >/dev/null
rm -rf "$tmp/home2/queue"
tar -C "$home" -cf - queue | tar -C "$tmp/home2" -xpf -
check "start elsewhere with a copy of the spool" server_start "$tmp/home2"
wait_for 20 has_mails "$tmp/home2" alice 20
check "the queue drains" wait_empty "$tmp/home2" 20
is "each arrives once" "$(mails "$tmp/home2" alice | xargs grep -h '^Subject: moved' | sort | uniq | wc -l) $(count_mails "$tmp/home2" alice)" "20 20"
server_stop "$tmp/home2"

# --- a home of any name, which moves -------------------------------------------------------------
odd="$tmp/a:b c"
check "a home with a colon and a space in its name" server_make "$odd" alice
check "start" server_start "$odd"
check "a message" "$odd/bin/nixie-inject" "alice@$domain" <<<$'Subject: one\n\nbody'
check "arrives" wait_for 10 has_mails "$odd" alice 1
server_stop "$odd"
mv "$odd" "$tmp/moved"
check "start elsewhere" server_start "$tmp/moved"
check "a message" "$tmp/moved/bin/nixie-inject" "alice@$domain" <<<$'Subject: two\n\nbody'
check "arrives" wait_for 10 has_mails "$tmp/moved" alice 2
server_stop "$tmp/moved"

# --- mail that nobody here wrote -----------------------------------------------------------------
corpus=${CORPUS:-../shared/corpus}
compare_corpus() {
    local wrong=0 mail number
    for mail in $(mails "$home" bob); do
        number=$(sed -n "2s/^Delivered-To: bob-\([0-9]*\)@$domain\$/\1/p" "$mail")
        if [ "$(sed -n '1s/:.*//p;3s/:.*//p' "$mail" | tr '\n' ' ')" != "Return-Path Received " ] ||
            ! tail -n +4 "$mail" | cmp -s - "${files[$number]}"; then
            echo "# changed: ${files[${number:-0}]} in $mail"
            wrong=$((wrong + 1))
        fi
    done
    return $wrong
}
if [ -d "$corpus" ]; then
    rm -f "$home"/users/*/Maildir/new/* "$home"/queue/{todo,mess,intd}/*
    cp "$home/users/bob/.qmail" "$home/users/bob/.qmail-default"
    mapfile -t files < <(find "$corpus" -name '*.eml' -o -name '*.msg' | sort)
    check "start for the corpus" server_start "$home"
    refused=0
    for i in "${!files[@]}"; do
        "$home/bin/nixie-queue" <"${files[$i]}" 1< <(printf 'F%s\0T%s\0\0' "alice@$domain" "bob-$i@$domain") || refused=$((refused + 1))
    done
    is "queue takes all ${#files[@]} messages of the corpus" $refused 0
    wait_for 60 has_mails "$home" bob ${#files[@]}
    is "they arrive" "$(count_mails "$home" bob)" ${#files[@]}
    check "unchanged to the byte behind three lines" compare_corpus
    server_stop "$home"
else
    skip "the corpus through queue" "no $corpus (set CORPUS)"
fi
tap_end
