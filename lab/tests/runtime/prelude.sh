# shellcheck shell=bash
# What the scripts of the tests use.

# $1 a node, the rest a command for it: by the inventory's login and nothing else of this machine's SSH settings.
on() {
  local node=$1 host port user identity known_hosts
  shift
  user=$(setting user) identity=$(setting identity) known_hosts=$(setting known_hosts)
  port=$(section "$node" | sed -n 's/.*port = \([0-9]*\).*/\1/p')
  host=$(section "$node" | sed -n 's/^address = "\(.*\)"/\1/p')
  [ -z "$port" ] || host=127.0.0.1
  # shellcheck disable=SC2086 # several options
  ssh -F none -i "$identity" -o "UserKnownHostsFile=$known_hosts" -o GlobalKnownHostsFile=none -o IdentitiesOnly=yes \
    -o StrictHostKeyChecking=yes -o BatchMode=yes -o ConnectTimeout=2 -o LogLevel=error $ssh_options \
    -p "${port:-22}" "$user@$host" "$@"
}

ssh_options=

setting() {
  sed -n "s/^$1 = \"\(.*\)\"/\1/p" "$LAB_INVENTORY"
}

section() {
  sed -n "/^name = \"$1\"/,/^$/p" "$LAB_INVENTORY"
}

# $1 a name, the rest a command: its output and its status, for the test to read.
show() {
  local name=$1 output status
  shift
  output=$("$@") && status=0 || status=$?
  printf '%s=%s\n%s?=%s\n' "$name" "${output//$'\n'/|}" "$name" "$status"
}

# Waits until a command succeeds; fails when that takes too long.
until_so() {
  local left=300
  while [ $((left -= 1)) -gt 0 ]; do
    "$@" >/dev/null 2>&1 && return
    sleep 0.05
  done
  echo "this did not come true: $*" >&2
  exit 99
}

# Waits until a command fails.
until_not() {
  until_so not "$@"
}

not() {
  ! "$@"
}
