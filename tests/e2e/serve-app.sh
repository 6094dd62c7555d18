#!/bin/bash
# Small applications, in Python and Node, whose own tests run under nixie serve: they pass, and when
# the application is broken the output says why.  The same through what ci/ has for GitHub and
# GitLab.
. tests/e2e/tap.bash
. tests/e2e/serve.bash
app=$repository/tests/app

# try LANGUAGE COMMAND...: the application whole, and broken in four ways
try() {
    local language=$1 name
    shift
    check_status 0 "$language: passes" serve "$app/welcome.scenario" -- "$@"
    check "and so does all that is expected" grep -q '^ok  an application welcomes its users  *2 messages taken$' <<<"$output"
    broken "$language" encoding "welcome.scenario:13:5: welcome: the field is another: Welcome, Zoë!" "$@"
    broken "$language" dots "welcome.scenario:15:5: welcome: the body does not contain it" "$@"
    check "$language, dots: the message is shown" grep -q '^  | badge { color: green }$' <<<"$output"
    broken "$language" retry "welcome.scenario:16:14: later: tried 1 time: +" "$@"
    check "$language, retry: the dialogue is shown" grep -q ' S: 451 4.7.1 greylisted, try again later$' <<<"$output"
    broken "$language" recipient "welcome.scenario:12:13: welcome: mail did not take it" "$@"
    check "$language, recipient: what came instead is shown" \
        grep -q 'from app@app.example to support@users.example: 250 .*; subject: Welcome, Zoë!' <<<"$output"
}

broken() { # LANGUAGE NAME WORDS COMMAND...
    local language=$1 name=$2 words=$3
    shift 3
    APP_BREAK=$name check_status 1 "$language, $name: fails" serve "$app/welcome.scenario" -- "$@"
    check "and it is told why" grep -qF "FAIL $app/$words" <<<"$output"
}

# The how-to's example is this application's.
awk '/^```scenario/ { on = 1; next } /^```/ { on = 0 } on' "$repository/docs/how-to/test-an-application.md" >howto.scenario
for file in howto.scenario "$app/welcome.scenario"; do
    check_status 0 "$(basename "$file") is in the right form" "$nixie" fmt --check "$file"
done
if command -v python3 >/dev/null; then
    check_status 0 "the how-to's example holds" serve howto.scenario -- python3 -B "$app/python/test_app.py"
    try Python python3 -B "$app/python/test_app.py"
else
    skip Python "no python3"
fi
if command -v node >/dev/null && node -e 'process.exit(parseInt(process.version.slice(1)) < 18 ? 1 : 0)'; then
    try Node node --test "$app/node"
else
    skip Node "no node, or one before 18"
fi

# --- what ci/ has for others ---------------------------------------------------------------------

if python3 -c 'import yaml' 2>/dev/null; then
    for file in nixie-serve/action.yml gitlab/nixie-serve.yml; do
        check "$file is YAML" python3 -c 'import sys, yaml; yaml.safe_load(open(sys.argv[1]))' "$repository/ci/$file"
    done
else
    skip "ci/ is YAML" "no yaml module for python3"
fi

# The lines of `run: |` of the action; those of `script:` of the job, without YAML's quotes.
sed -n '/^      run: |$/,$p' "$repository/ci/nixie-serve/action.yml" | sed -n 's/^        //p' >github
sed -n '/^  script:$/,/^  [a-z]*:$/s/^    - //p' "$repository/ci/gitlab/nixie-serve.yml" | sed "s/^'\(.*\)'\$/\1/" >gitlab
sed -n '/^  variables:$/,/^  [a-z]*:$/s/^    \([A-Z_]*\): \(.*\)/\1="${\1-\2}"; export \1/p' \
    "$repository/ci/gitlab/nixie-serve.yml" | sed 's/-""}/-}/' >gitlab-variables
is "the action has a script" "$(cat github)" '"$GITHUB_ACTION_PATH/run"'
is "the job has one" "$(wc -l <gitlab)" 2
is "and variables" "$(wc -l <gitlab-variables)" 5
# A built copy, as both have it.
mkdir -p copy/build copy/ci
cp -r "$repository/ci/nixie-serve" copy/ci/
ln -s "$tmp/bin" copy/build/bin
unset BUILD
# shellcheck disable=SC2016
command='[ -n "$NIXIE_SMTP_PORT" ] && ./send "$TO"'
export TO=zoe@users.example
cat >ci.scenario <<'END'
match welcome to zoe@users.example
expect welcome delivered once
END
github() {
    GITHUB_ACTION_PATH=$tmp/copy/ci/nixie-serve NIXIE_RUN=$1 NIXIE_SCENARIO=$2 NIXIE_OPTIONS=$3 bash -e github
}
check_status 0 "GitHub: without a scenario" github "$command" "" ""
check_status 0 "GitHub: with one" github "$command" ci.scenario "--junit result.xml --smtp localhost:0"
check "and options" grep -q '<testcase name="ci.scenario"' result.xml
TO=other@users.example check_status 1 "GitHub: what is expected does not happen" github "$command" ci.scenario ""
check_status 1 "GitHub: a command of several lines ends at the first that fails" github $'false\ntrue' "" ""
check_status 2 "GitHub: no command" github "" "" ""
gitlab() {
    (export NIXIE_RUN=$1 NIXIE_SCENARIO=$2 NIXIE_DIRECTORY=$tmp/copy
        bash -ec ". ./gitlab-variables; $(cat gitlab)")
}
check_status 0 "GitLab: with a scenario" gitlab "$command" ci.scenario
check "and its report" grep -q '<testcase name="ci.scenario"' nixie-serve.xml
TO=other@users.example check_status 1 "GitLab: what is expected does not happen" gitlab "$command" ci.scenario
check "is in the report" grep -q '<failure message="welcome: not delivered' nixie-serve.xml
git init -q -b main remote && cp -r copy/ci remote/ && mkdir remote/build && cp -r bin remote/build/ &&
    git -C remote add -Af && git -C remote -c user.name=x -c user.email=x@y.example commit -qm x
clone() {
    (export NIXIE_RUN=$command NIXIE_REPOSITORY=file://$tmp/remote
        bash -ec ". ./gitlab-variables; $(cat gitlab)")
}
check_status 0 "GitLab: it is cloned if it is not there" clone
check "where the job looks" test -x .nixie/ci/nixie-serve/run
tap_end
