# Dialogues of captures, for tests.  Source it after tap.bash; needs $nixie.
#
#   replies FILE           what servers said, a line each (its lines joined by |), as `nixie pcap show` tells it
#   trip FILE FOLDER       imports FILE, as FOLDER/NAME.scenario, runs that, the capture in FOLDER/run
#   same_replies ONE OTHER   prints what only one of two captures has; nothing is well
# shellcheck shell=bash disable=SC2154
replies() {
    "$nixie" pcap show -v "$1" | awk '
        function out() { if (reply != "") print reply; reply = "" }
        /^ *[0-9]+\.[0-9]+  S  +[0-9]+  / { out(); sub(/^ *[0-9.]+  S  +[0-9]+  /, ""); reply = $0; next }
        /^                         [^ |]/ && reply != "" { sub(/^ */, ""); reply = reply "|" $0; next }
        { out() }
        END { out() }'
}

trip() {
    local name
    name=$(basename "$1" .pcap)
    mkdir -p "$2" && "$nixie" pcap import --out "$2/$name.scenario" "$1" 2>"$2/$name.notes" &&
        "$nixie" fmt --check "$2/$name.scenario" && "$nixie" run --pcap "$2/run" "$2/$name.scenario" >"$2/$name.log"
}

same_replies() { diff <(replies "$1" | sort) <(replies "$2" | sort) | sed -n 's/^[<>]/&/p'; }
