# The machine of `make vm-test`: starting it, talking to it, breaking it. Read by scripts/vm-test, which sets `image` (the
# folder tests/vm/image made) and `work` (a folder of this run).
# shellcheck shell=sh disable=SC2154 # the variables are scripts/vm-test's

machine='' port='' boot=''

say() {
  printf 'vm-test: %s\n' "$*" >&2
}

# The machine does not start, or something is missing: it says what, and what to do.
cannot() {
  say "cannot run: $*"
  exit 69
}

now() {
  date +%s
}

# Starts the machine. $1 kvm or tcg. Its disk's changes go to a file without a name, and so vanish with it.
start() {
  rm -f "$work/monitor"
  mkfifo "$work/monitor"
  : >"$work/console"
  # It does not outlive this shell, however that ends.
  TMPDIR=$work setpriv --pdeathsig KILL nice -n 10 qemu-system-x86_64 -accel "$1" -machine q35 -cpu max -smp 1 -m 1024 \
    -display none -nodefaults -no-user-config -kernel "$image/vmlinuz" -initrd "$image/initrd.img" \
    -append 'root=/dev/vda ro console=ttyS0 net.ifnames=0 mitigations=off' \
    -drive "file=$image/disk.img,if=none,id=disk,format=raw,snapshot=on" \
    -device virtio-blk-pci,drive=disk -netdev "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:$port-:22" -device virtio-net-pci,netdev=net0,id=nic0 \
    -device virtio-rng-pci -serial "file:$work/console" -monitor stdio <"$work/monitor" >"$work/monitor.log" 2>&1 &
  machine=$!
  exec 3>"$work/monitor"
}

# Ends it, by its number.
stop() {
  [ -n "$machine" ] || return 0
  kill "$machine" 2>/dev/null || :
  exec 3>&-
  wait "$machine" 2>/dev/null || :
  machine=
}

# A command for qemu's monitor.
monitor() {
  echo "$*" >&3
}

# Whether a machine can be started like that at all: its console says something. $1 kvm or tcg, $2 seconds.
wakes() {
  start "$1"
  until=$(($(now) + $2))
  while [ "$(now)" -lt "$until" ]; do
    [ ! -s "$work/console" ] || return 0
    kill -0 "$machine" 2>/dev/null || break
    sleep 0.5
  done
  stop
  return 1
}

# A port of the loopback that nobody listens on.
free_port() {
  port=20022
  while grep -qi "^ *[0-9]*: [0-9A-F]*:$(printf '%04X' "$port") [0-9A-F:]* 0A" /proc/net/tcp; do port=$((port + 1)); done
}

# A command on the machine, as its login.
on_machine() {
  ssh -F none -i "$image/key" -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=20 -o IdentitiesOnly=yes \
    -o UserKnownHostsFile="$work/pinned" -o LogLevel=ERROR -p "$port" alice@127.0.0.1 "$@" </dev/null
}

# The same as root.
as_root() {
  on_machine "echo 'correct horse' | sudo -S -p '' sh -c $(quoted "$*")"
}

quoted() {
  printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"
}

# Waits until the machine can be logged in to; $1 seconds. The boot id is then another than $2.
wait_for_login() {
  until=$(($(now) + $1))
  while [ "$(now)" -lt "$until" ]; do
    boot=$(on_machine cat /proc/sys/kernel/random/boot_id 2>/dev/null) && [ -n "$boot" ] && [ "$boot" != "${2-}" ] && return
    kill -0 "$machine" 2>/dev/null || cannot "qemu ended: $(tail -n 1 "$work/monitor.log")"
    sleep 1
  done
  tail -n 20 "$work/console" >&2
  return 1
}
