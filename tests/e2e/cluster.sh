#!/bin/bash
# The shards of an exploration, dealt by GNU parallel and by a Slurm array of one node, add up to what
# one exploration of the whole says.  Slurm's daemons run from build/peers, in a network namespace
# that has loopback alone.  With CHECK_ALL only, since both are fetched.  Prints TAP.
. tests/e2e/tap.bash
. tests/namespace.bash
unset NIXIE_HOME
options=(--states 4 --every 10 --crash all --faults none)
files=(scenarios/spool/one-message.scenario scenarios/spool/bounce.scenario)

whole() { "$BUILD/bin/nixie" explore "${files[@]}" --seeds 1..4 "${options[@]}" | grep '^explored:'; }

# Shards are looked at one by one, too, where nothing can be fetched.
by_hand() {
    local i
    for i in 1 2 3; do
        "$BUILD/bin/nixie" explore "${files[@]}" --seeds 1..4 "${options[@]}" --shard $i/3 >"$tmp/hand-$i"
    done
    is "three shards, by hand" "$(ci/explore-sum 3 "$tmp"/hand-*| tail -1)" "$all"
    check_status 2 "a shard is missing" ci/explore-sum 3 "$tmp"/hand-[12]
}

by_parallel() {
    local root
    if ! command -v perl >/dev/null || ! root=$(ci/peers parallel); then
        skip "GNU parallel" "it cannot be had here"
        return
    fi
    perl "$root/usr/bin/parallel" --will-cite -j2 "$BUILD/bin/nixie" explore "${files[@]}" --seeds 1..4 "${options[@]}" \
        --shard '{}/4' '>' "$tmp/parallel-{}" ::: 1 2 3 4 </dev/null
    is "GNU parallel" "$(ci/explore-sum 4 "$tmp"/parallel-* | tail -1)" "$all"
}

set_up() { namespace_address 192.0.2.1; }

write_slurm_conf() {
    local host
    host=$(hostname -s)
    mkdir -p "$tmp/state" "$tmp/spool"
    cat >"$tmp/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$host(192.0.2.1)
SlurmUser=root
AuthType=auth/none
CredType=cred/none
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PluginDir=$plugins
StateSaveLocation=$tmp/state
SlurmdSpoolDir=$tmp/spool
SlurmctldPidFile=$tmp/slurmctld.pid
SlurmdPidFile=$tmp/slurmd.pid
SlurmctldLogFile=$tmp/slurmctld.log
SlurmdLogFile=$tmp/slurmd.log
ReturnToService=2
NodeName=$host NodeAddr=192.0.2.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES State=UP
CONF
}

by_slurm() {
    plugins=$(echo "$root"/usr/lib/*/slurm-wlm)
    export LD_LIBRARY_PATH=$plugins:${plugins%/slurm-wlm} SLURM_CONF=$tmp/slurm.conf
    write_slurm_conf
    "$root/usr/sbin/slurmctld-wlm" -D -f "$SLURM_CONF" >"$tmp/ctld.out" 2>&1 &
    local controller=$! node i
    "$root/usr/sbin/slurmd-wlm" -D -f "$SLURM_CONF" -d "$root/usr/sbin/slurmstepd-wlm" >"$tmp/d.out" 2>&1 &
    node=$!
    for ((i = 0; i < 50; i++)); do
        "$root/usr/bin/sinfo" -h -o %T 2>/dev/null | grep -q idle && break
        sleep 0.2
    done
    NIXIE=$nixie WHAT=${files[*]} timeout 300 "$root/usr/bin/sbatch" --wait --array=1-4 --output="$tmp/explore-%a.out" \
        ci/explore.sbatch 1..4 "${options[@]}" >"$tmp/sbatch.out" 2>&1 </dev/null
    tap_result $? "a Slurm array of four tasks ends" "$(cat "$tmp/sbatch.out" "$tmp"/explore-*.out; tail -n 5 "$tmp"/slurm*.log)"
    is "its shards add up" "$(ci/explore-sum 4 "$tmp"/explore-*.out | tail -1)" "$all"
    kill $node $controller
    wait
}

if [[ ${1-} != --namespace* ]]; then
    if [ -z "${CHECK_ALL-}" ]; then
        skip "shards by GNU parallel and Slurm" "it takes a minute: CHECK_ALL=1"
        tap_end
    fi
    new_folder
    all=$(whole)
    by_hand
    by_parallel
    trap - EXIT
    rm -rf "$tmp"
    if [ "$(id -u)" != 0 ]; then
        skip "a Slurm array" "its daemons want root"
        tap_end
    elif ! root=$(ci/peers slurmctld slurmd slurm-client libhwloc15); then
        skip "a Slurm array" "it cannot be had here"
        tap_end
    fi
    export all root
fi
nixie=$(realpath "$BUILD/bin/nixie")
namespace_enter set_up "$@" || { skip "a Slurm array" "$namespace_lack"; tap_end; }
tmp=$namespace_tmp/work
by_slurm
tap_end
