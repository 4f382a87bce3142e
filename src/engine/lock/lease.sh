# The lease of this node. $1 its folder, $2 `take` or `leave`, $3 the run that asks, $4 for how many seconds, $5 a run whose
# lease may be taken over (`*` for any), $6 who asks, in lines of `key=value`.
# Prints `taken`, or `held` with the holder's lines and the seconds its lease has left. A run whose lease another one has taken
# gets that one's lines, with no seconds left where that one has given it back: nobody goes on unaware that somebody else was here.
# Time is the node's uptime: no clock that is set can lengthen a lease, and a boot ends both, the file and the count.
umask 077
mkdir -p -- "$1" && cd -- "$1" || exit 1
exec 9>guard
flock -w 10 9 || { echo "another process keeps $1/guard locked" >&2; exit 1; }
value() { sed -n "s/^$1=//p" lease 2>/dev/null | head -n 1; }
number() { case $1 in '' | *[!0-9]*) echo 0 ;; *) echo "$1" ;; esac; }
holder=$(value run)
now=$(cut -d. -f1 /proc/uptime)
if [ "$2" = leave ]; then
  [ "$holder" != "$3" ] || rm -f lease
  exit 0
fi
left=$(($(number "$(value until)") - now))
# Longer than a lease can be: not written by us in this boot.
[ "$left" -le "$4" ] || left=0
if [ "$holder" != "$3" ] && [ "$5" != '*' ]; then
  if [ -n "$holder" ] && [ "$left" -gt 0 ] && [ "$5" != "$holder" ]; then
    echo held
    grep -v '^until=' lease
    echo "left=$left"
    exit 0
  fi
  if [ -f "taken-from-$3" ]; then
    echo held
    cat "taken-from-$3"
    echo left=0
    exit 0
  fi
fi
case $holder in '' | "$3" | */*) ;; *) printf '%s\n' "$6" >"taken-from-$holder" ;; esac
{ printf '%s\n' "$6"; echo "until=$((now + $4))"; } >"lease.$$" && mv "lease.$$" lease && echo taken
