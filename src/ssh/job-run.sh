# Only the first start counts.
mkdir "$d/started" 2>/dev/null || exit 0
echo "$$" >"$d/pid.new" && mv "$d/pid.new" "$d/pid"
HOME=/root
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
LC_ALL=C
export HOME PATH LC_ALL
cd /
# Not `date`: a clock that is set right in between would tell a wrong time.
uptime() { cut -d. -f1 /proc/uptime; }
begun=$(uptime)
(
  umask 022
  if command -v timeout >/dev/null 2>&1; then
    exec timeout -k 10 "$limit" sh "$d/script"
  fi
  exec sh "$d/script"
) </dev/null >>"$d/output" 2>&1
status=$?
if [ "$status" = 137 ] && [ "$(($(uptime) - begun))" -ge "$limit" ]; then
  status=124
fi
rm -f "$d/script"
echo "$status" >"$d/status.new" && mv "$d/status.new" "$d/status"
