# Stops MicroK8s as a crash would, all at once, and lets go of its volumes: a node that is started anew later must not write to what
# another one has mounted by then. $1 is for how many seconds at the most.
set -e
echo $$ >/run/homeprov-drill-stopping
trap 'rm -f /run/homeprov-drill-stopping' EXIT
data=/var/snap/microk8s/current
if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
	systemctl stop homeprov-drill-back.timer 2>/dev/null || true
	systemd-run --quiet --collect --unit=homeprov-drill-back --on-active="$1" sh -c \
		"rm -f $data/var/lock/stopped.lock; exec /usr/bin/snap start --enable microk8s"
fi
# On a worker the first does nothing.
[ -e "$data/var/lock/clustered.lock" ] || /snap/bin/microk8s stop
/usr/bin/snap stop --disable microk8s
pods() { grep -lsE 'pod[0-9a-f]{8}[-_]' /proc/[0-9]*/cgroup | cut -d/ -f3; }
for _ in $(seq 20); do
	left=$(pods) || true
	[ -n "$left" ] || break
	# shellcheck disable=SC2086 # one word a process
	kill -9 $left 2>/dev/null || true
	sleep 1
done
mounts() { awk '$5 ~ /kubernetes\.io[~\/]/ { print $5 }' /proc/self/mountinfo; }
sessions() { iscsiadm -m session 2>/dev/null | tr ' ' '\n' | grep 'openebs\.jiva:' || true; }
for _ in $(seq 10); do
	mounts | sort -r | while read -r mount; do umount "$mount" 2>/dev/null || umount -f "$mount" 2>/dev/null || true; done
	if ! mounts | grep -q 'kubernetes\.io[~/]csi'; then
		sessions | while read -r target; do iscsiadm -m node -T "$target" --logout >/dev/null || true; done
		[ -n "$(sessions)" ] || exit 0
	fi
	sleep 1
done
echo "it has not let go of its volumes:"
mounts
sessions
exit 1
