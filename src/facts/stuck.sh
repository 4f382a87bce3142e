# What holds volumes on a machine: mounts, iSCSI sessions, containers. Read-only. Answers are lines `key:line` and `key=value`.

lines() { sed "s|^|$1:|"; }

# Mounts of CSI volumes, in the machine's own mount namespace: mount point, options, options of the file system (proc_pid_mountinfo(5)).
if [ -r /proc/1/mountinfo ]; then
	awk '/kubernetes\.io[~\/]csi/ {
		for (i = 7; i <= NF && $i != "-"; i++);
		print $5, $6, $(i + 2), $(i + 3)
	}' /proc/1/mountinfo | sort -u | lines mount
	echo mounts=read
fi

# Status 21: there is none (open-iscsi `include/iscsi_err.h`). Where there is no initiator there is no session either.
if command -v iscsiadm >/dev/null; then
	iscsiadm -m session 2>/dev/null | lines session
	iscsiadm -m session >/dev/null 2>&1
	case $? in 0 | 21) echo sessions=read ;; esac
else
	echo sessions=read
fi

# The processes of pods: cgroup paths end in `pod<uid>/<container>`, with underscores where systemd makes them.
now=$(date +%s)
grep -sHoE 'pod[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}[^:]*$' /proc/[0-9]*/cgroup | sort -u |
	while IFS=: read -r file path; do
		pid=${file#/proc/}
		pid=${pid%/cgroup}
		uid=$(printf %.36s "${path#pod}" | tr _ -)
		began=$(stat -c %Y "/proc/$pid" 2>/dev/null) || continue
		echo "process:$uid ${path##*/} $pid $((now - began))"
	done

# A join that is under way. Read from the kernel itself: not every machine has pgrep. The brackets keep this text from finding itself.
if [ -r /proc/1/cmdline ]; then
	if cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' | grep -qE 'microk8s[. -]joi[n]|wrappers/joi[n]\.py'; then echo joining=yes; fi
	echo joins=read
fi
exit 0
