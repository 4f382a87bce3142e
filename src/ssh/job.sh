# Detached jobs: what start, poll and end share. $b is the folder of all jobs, $d that of this one, $id its name.
# The rest of the text calls one of them. Nothing here starts a program where the shell itself can do it.

# Standard input into file $1; its first $2 bytes where that is given.
w() { if [ -n "$2" ]; then head -c "$2" >"$1"; else cat >"$1"; fi; }

# Whether the job's first process still runs: the same process number alone may be another one by now.
alive() {
    read -r pid start x 2>/dev/null <"$d/pid" || return 1
    read -r l 2>/dev/null <"/proc/$pid/stat" || return 1
    set -- ${l##*) }
    [ "${20}" = "$start" ] && [ "$1" != Z ]
}

same_boot() {
    read -r then 2>/dev/null <"$d/boot_id" && read -r now </proc/sys/kernel/random/boot_id && [ "$then" = "$now" ]
}

# Just started, its first process not there yet.
young() {
    [ ! -f "$d/pid" ] && read -r born 2>/dev/null <"$d/born" && read -r up x </proc/uptime &&
        [ $((${up%.*} - born)) -lt 15 ]
}

finished() { read -r status 2>/dev/null <"$d/status" && state=finished:$status; }

# Sets $state.
look() {
    if [ ! -d "$d" ]; then state=absent
    elif finished; then :
    elif same_boot && { young || alive; }; then state=running
    else finished || state=lost
    fi
}

# The report: state and output from byte $1, waiting for news for $2 tenths of a second.
report() {
    from=$1 wait=$2 size=0
    while :; do
        look
        [ -f "$d/output" ] && size=$(wc -c <"$d/output")
        [ "$state" = running ] && [ "$size" -le "$from" ] && [ "$wait" -gt 0 ] || break
        wait=$((wait - 1))
        sleep 0.1
    done
    [ "$from" -gt "$size" ] && from=$size
    count=$((size - from))
    [ "$count" -gt 262144 ] && count=262144
    echo "$state" $((from)) $((size))
    [ "$count" -gt 0 ] && tail -c +$((from + 1)) "$d/output" | head -c "$count"
    return 0
}

# Starts what was put into $t, unless another start was quicker: the renaming decides.
begin() {
    cat /proc/sys/kernel/random/boot_id >"$t/boot_id"
    read -r up x </proc/uptime
    echo "${up%.*}" >"$t/born"
    [ -n "$SUDO_USER" ] && echo "$SUDO_USER" >"$t/user"
    : >"$t/output"
    mv -T "$t" "$d" 2>/dev/null || { rm -rf "$t"; return 0; }
    if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null &&
        systemd-run --collect --quiet --unit="$id" sh "$d/run" >/dev/null 2>"$d/start"; then
        return 0
    fi
    setsid sh "$d/run" </dev/null >/dev/null 2>&1 &
}

# Signal $1 to every process of the job's session; fails when there is none.
signal() {
    hit=1
    for stat in /proc/[0-9]*/stat; do
        read -r l 2>/dev/null <"$stat" || continue
        p=${l%% *}
        set -- "$1" ${l##*) }
        [ "$5" = "$pid" ] && [ "$2" != Z ] && kill -s "$1" "$p" 2>/dev/null && hit=0
    done
    return "$hit"
}

# Ends the job and forgets it.
end() {
    [ -d /run/systemd/system ] && systemctl stop "$id.service" >/dev/null 2>&1
    # A number that belongs to another process now is left alone; one that is free may still name the session.
    if same_boot && read -r pid start x 2>/dev/null <"$d/pid" && { alive || [ ! -d "/proc/$pid" ]; }; then
        signal TERM
        for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            signal 0 || break
            sleep 0.1
        done
        signal KILL
    fi
    rm -rf "$d"
    echo absent 0 0
}
