# Runs one detached job: $LIMIT seconds at the most. Its folder is the one this file is in.
d=${0%/*}
mkdir "$d/once" 2>/dev/null || exit 0
exec >>"$d/output" 2>&1
cd /
umask 022
LC_ALL=C; HOME=~root; export PATH LC_ALL HOME
[ -s "$d/user" ] && read -r SUDO_USER <"$d/user" && export SUDO_USER
# What must not be seen is gone from the disk before anything runs.
exec 3<"$d/input"
rm -f "$d/input"
read -r l </proc/$$/stat
set -- ${l##*) }
start=${20}
t=; command -v timeout >/dev/null && t="timeout -k 10 $LIMIT"
read -r from x </proc/uptime
$t sh "$d/script" <&3 3<&- &
child=$!
exec 3<&-
echo "$$ $start" >"$d/pid.new"
mv "$d/pid.new" "$d/pid"
wait "$child"
status=$?
read -r to x </proc/uptime
# It would not end and was killed.
[ "$status" = 137 ] && [ $((${to%.*} - ${from%.*})) -ge "${LIMIT%.*}" ] && status=124
echo "$status" >"$d/status.new"
mv "$d/status.new" "$d/status"
