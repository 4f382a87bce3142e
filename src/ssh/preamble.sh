# Not the login's: it may hold folders that are not root's alone.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
LC_ALL=C
export PATH LC_ALL
umask 022
cd /
say() {
  printf '\n%s %s\n' "$homeprov_marker" "$1"
  printf '\n%s %s\n' "$homeprov_marker" "$1" >&2
}
# Seconds since the machine's boot, for the frames: whether a section took as long as its limit.
clock() {
  uptime=
  read -r uptime rest </proc/uptime
} 2>/dev/null
limited() {
  if command -v timeout >/dev/null 2>&1; then
    timeout -k 2 "$@"
    return
  fi
  seconds=$1
  shift
  # A command in the background gets no input unless it is given some by another number.
  {
    "$@" <&3 3<&- &
    child=$!
    (
      sleep "$seconds" &
      nap=$!
      trap 'kill "$nap"' TERM
      wait "$nap" && kill "$child"
    ) </dev/null >/dev/null 2>&1 3<&- &
    guard=$!
    wait "$child"
    status=$?
    kill "$guard" 2>/dev/null
  } 3<&0
  [ "$status" != 143 ] || status=124
  return "$status"
}
