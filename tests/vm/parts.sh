# What `make vm-test` tries, part by part. Read by scripts/vm-test.
# shellcheck shell=sh disable=SC2154,SC2016 # the variables are scripts/vm-test's; what runs on the machine is quoted

# What homeprov needs to know: an inventory, a password, its own playbooks as far as they come without MicroK8s.
prepare() {
  "$here/tests/vm/recipe" "$homeprov" "$work/recipe"
  echo 'correct horse' >"$work/password"
  : >"$work/ssh_config"
  chmod 600 "$work/password" "$work/ssh_config"
  cat >"$work/home.toml" <<END
[cluster]
name = "vm"
[ssh]
user = "alice"
identity = "$image/key"
config = "$work/ssh_config"
known_hosts = "$work/known_hosts"
[[nodes]]
name = "nuc1"
address = "10.0.2.15"
host_key = "$(cut -d ' ' -f 1,2 "$image/host_key.pub")"
ssh = { host = "127.0.0.1", port = $port }
[metallb]
pool = "10.0.2.240-10.0.2.250"
[storage]
engine = "jiva"
replicas = 1
END
  XDG_STATE_HOME=$work/state
  export XDG_STATE_HOME
}

small_machine_is_refused() {
  part 'the whole recipe is refused on so small a machine, before anything is changed'
  up
  [ "$code" = 5 ] || wrong "homeprov ended with $code, not 5: $(tail -n 3 "$work/words")"
  seen 'MiB of memory, a control plane needs'
  there 'nothing was changed' '[ "$(uname -n)" = debian ] && [ ! -e /var/lib/homeprov/jobs ]'
}

# The power is cut in the middle of the first packages; the run goes on until everything holds.
reset_while_apt_works() {
  part 'the machine is reset while apt works, and everything is reached all the same'
  before=$boot
  # As slow as an old disk, or apt would be through before it can be reset.
  [ "${accel:-kvm}" != kvm ] || monitor block_set_io_throttle disk 0 0 0 0 0 60
  follow recipe
  wait_for 1200 '"step-output".*Unpacking '
  monitor system_reset
  monitor block_set_io_throttle disk 0 0 0 0 0 0
  code=0
  wait "$running" || code=$?
  running=
  cp "$work/events" "$work/all"
  tries=0
  # A machine that takes longer for its start than homeprov waits for: it says so, and is run again.
  while [ "$code" = 9 ] && [ "$tries" -lt 4 ]; do
    wait_for_login 1200 "$before" || wrong 'the machine did not come back after its reset'
    up recipe
    cat "$work/events" >>"$work/all"
    tries=$((tries + 1))
  done
  [ "$code" = 0 ] || wrong "homeprov ended with $code: $(tail -n 5 "$work/words")"
  wait_for_login 60 "$before" || wrong 'the machine was not reset'
  grep -q '"step-retry".*nuc1 restarted, or somebody ended the command there, before it had finished' "$work/all" ||
    wrong 'homeprov should have recognised that the job died with its machine'
}

what_was_set_up_works() {
  part 'what was set up works'
  there 'it has its name and knows its address' '[ "$(uname -n)" = nuc1 ] && getent hosts nuc1 | grep -q 10.0.2.15'
  there 'the modules are loaded' \
    'for module in overlay br_netfilter nf_conntrack vxlan iscsi_tcp nfsd; do [ -d /sys/module/$module ] || exit 1; done'
  there 'the limits are set' '[ "$(cat /proc/sys/fs/inotify/max_user_instances)" = 1024 ]'
  there 'the time service runs' 'systemctl is-active systemd-timesyncd && systemctl is-enabled systemd-timesyncd'
  there 'snapd answers' 'snap list'
  there 'NFS can be mounted and served' 'grep -w nfsd /proc/filesystems && mount.nfs -V'
  there 'a disk like those of Jiva volumes can be mounted although multipathd takes others' "$(cat "$here/tests/vm/volume.sh")"
}

second_run_changes_nothing() {
  part 'a second run changes nothing'
  up recipe
  nothing_to_do
}

nothing_to_do() {
  [ "$code" = 0 ] || wrong "homeprov ended with $code: $(tail -n 5 "$work/words")"
  seen 'nothing to do'
  [ "$(count '"event":"step-started"')" = 0 ] || wrong "homeprov applied a step although all held before"
}

cut_connection() {
  part 'a job is followed across a cut connection'
  mkdir "$work/cut"
  cp "$here/tests/vm/90-cut.toml" "$work/cut"
  follow cut
  wait_for 600 '"step-output".*the job has begun'
  monitor set_link nic0 off
  wait_for 300 '"event":"step-lost","left":.*"node":"nuc1"'
  monitor set_link nic0 on
  code=0
  wait "$running" || code=$?
  running=
  [ "$code" = 0 ] || wrong "homeprov ended with $code: $(tail -n 5 "$work/words")"
  seen '"event":"step-attached"'
  seen '"step-output".*the job has ended'
  there 'the job ran once' '[ "$(wc -l </var/lib/vm-test/begun)" = 1 ]'
}

reboot_keeps_everything() {
  part 'everything holds after a reboot, too'
  before=$boot
  as_root systemctl reboot >/dev/null 2>&1 || :
  wait_for_login 1200 "$before" || wrong 'the machine did not come back after a reboot'
  as_root systemctl is-system-running --wait >"$work/answer" 2>&1 || say "systemd says: $(cat "$work/answer")"
  up recipe
  nothing_to_do
}
