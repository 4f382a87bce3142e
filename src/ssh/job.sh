# $1 what to do, $2 the job's id, the others what that needs.
jobs=/var/lib/homeprov/jobs
d=$jobs/$2
umask 077

# Whether the job was started since the machine's last boot; sets pid.
same_boot() {
  read -r pid <"$d/pid" && read -r was <"$d/boot_id" && read -r now </proc/sys/kernel/random/boot_id &&
    [ "$was" = "$now" ]
} 2>/dev/null

# Whether the process of that id is the job's own, and not one that got its number later.
alive() {
  same_boot && grep -qF "$d/run" "/proc/$pid/cmdline" 2>/dev/null
}

# Whether it is being started by somebody just now.
starting() {
  [ ! -e "$d/pid" ] && [ -n "$(find "$d" -maxdepth 0 -mmin -1 2>/dev/null)" ]
}

ended() {
  read -r status <"$d/status" && state="finished $status"
} 2>/dev/null

look() {
  state=lost
  if [ ! -d "$d" ]; then
    state=absent
  elif ended; then
    :
  elif alive || starting; then
    state=running
  else
    # It may have ended between the two looks.
    ended
  fi
  size=$(wc -c 2>/dev/null <"$d/output") || size=0
}

# Output from byte $1 on, waiting up to a second for news.
report() {
  waits=0
  look
  while [ "$state" = running ] && [ "$size" -le "$1" ] && [ "$waits" -lt 4 ]; do
    sleep 0.25
    waits=$((waits + 1))
    look
  done
  printf '%s %s\n' "$size" "$state"
  [ "$size" -le "$1" ] || tail -c "+$(($1 + 1))" "$d/output" | head -c 262144
}

# Process ids of the job's session but the shell's own.
members() {
  for stat in /proc/[0-9]*/stat; do
    read -r line <"$stat" || continue
    number=${stat#/proc/}
    number=${number%/stat}
    # After the name in parentheses: state, parent, group, session.
    set -- ${line##*) }
    [ "$4" != "$pid" ] || printf '%s ' "$number"
  done
} 2>/dev/null

sweep() {
  same_boot || return 0
  # The number may belong to somebody else by now; a session's number does not while one of its processes lives.
  alive || [ ! -e "/proc/$pid" ] || return 0
  for signal in TERM TERM TERM TERM KILL; do
    for waits in 1 2 3 4 5; do
      them=$(members)
      [ -n "$them" ] || return 0
      [ "$waits" != 1 ] || kill -s "$signal" $them 2>/dev/null
      sleep 0.2
    done
  done
}

with_systemd() {
  [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1
}

launch() {
  if with_systemd && systemd-run --collect --quiet --unit="$1" --property=TimeoutStopSec=10 \
    /bin/sh "$d/run" </dev/null >>"$d/output" 2>&1; then
    return
  fi
  # What `run` does first decides that only one of two starts counts, should that one have come through after all.
  setsid /bin/sh "$d/run" </dev/null >/dev/null 2>&1 &
}

# Whether it has failed for somebody else than $1, who did not come to read its end.
failed_before() {
  ended && [ "$status" != 0 ] && read -r whose <"$d/beginner" && [ "$whose" != "$1" ]
} 2>/dev/null

# $1 the id, $2 the limit, $3 who begins it, $4 what is run.
start() {
  mkdir -p "$jobs" || exit 1
  if failed_before "$3"; then finish "$1"; fi
  if why=$(mkdir "$d" 2>&1); then
    if ! { cat /proc/sys/kernel/random/boot_id >"$d/boot_id" && echo "$3" >"$d/beginner" && cat >"$d/script" && : >"$d/output" &&
      printf '%s\n' "d='$d'" "limit='$2'" "$4" >"$d/run"; }; then
      rm -rf "$d"
      exit 1
    fi
    launch "$1"
    waits=0
    while [ ! -e "$d/pid" ] && [ "$waits" -lt 50 ]; do
      sleep 0.1
      waits=$((waits + 1))
    done
  elif [ ! -d "$d" ]; then
    printf '%s\n' "$why" >&2
    exit 1
  fi
  report 0
}

finish() {
  [ -d "$d" ] || return 0
  if with_systemd; then
    systemctl stop "$1.service" 2>/dev/null
    systemctl reset-failed "$1.service" 2>/dev/null
  fi
  sweep
  rm -rf "$d"
}

case $1 in
start) start "$2" "$3" "$4" "$5" ;;
poll) report "$3" ;;
end) finish "$2" ;;
esac
