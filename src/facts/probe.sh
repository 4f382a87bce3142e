# The fact probe: one look at a machine. Read-only, quick, and safe where nothing is installed.
# It reads files and asks dqlite; `microk8s status` and `microk8s kubectl` start an interpreter and take seconds.
# Answers are lines: `key=value` for one value, `key:line` for each line of a text.
# The caller sets `control_planes` to the addresses of the control-plane nodes.

put() { printf '%s=%s\n' "$1" "$2"; }
lines() { sed "s|^|$1:|"; }
file() { [ -r "$2" ] && lines "$1" <"$2"; }
# The same for a file of few lines, without a process of its own.
small() {
	[ -r "$2" ] || return 0
	while IFS= read -r line || [ -n "$line" ]; do printf '%s:%s\n' "$1" "$line"; done <"$2"
}

data=/var/snap/microk8s/current
backend=$data/var/kubernetes/backend
scratch=$(mktemp -d /run/homeprov-probe.XXXXXX) || exit 1
trap 'rm -rf "$scratch"' EXIT

# What takes longest goes first, side by side.
dial() { # "name address port" ...
	# shellcheck disable=SC2016 # bash is to read them
	timeout 1 bash -c 'for target; do
		(set -- $target; exec 3<>"/dev/tcp/$2/$3" && echo "$1=$2") &
	done; wait' dial "$@" >"$scratch/dial" 2>/dev/null &
}
set --
if [ -e /snap/microk8s/current ]; then
	# Said first, and by a file: a snapd that gives no answer in time does not make a member look like a bare machine.
	put installed yes
	(
		timeout 8 snap list microk8s >"$scratch/listed" 2>&1
		lines snap <"$scratch/listed"
		# Held, snapd changes nothing by itself.
		grep -q held "$scratch/listed" || timeout 8 snap changes microk8s 2>/dev/null | lines change
	) >"$scratch/snap" &
	if [ ! -e "$data/var/lock/clustered.lock" ] && [ -e "$backend/cluster.yaml" ]; then
		(timeout 5 /snap/microk8s/current/bin/dqlite -s "file://$backend/cluster.yaml" -c "$backend/cluster.crt" \
			-k "$backend/cluster.key" -f json k8s .cluster 2>/dev/null | lines members) >"$scratch/members" &
		# Members that are none of the inventory's may live, too.
		stored=$(sed -n 's/^[- ]*Address: *"\{0,1\}\([0-9.]*\):19001.*/\1/p' "$backend/cluster.yaml")
		# shellcheck disable=SC2086 # one word an address is what is meant
		for address in $(printf '%s\n' $control_planes $stored | sort -u); do set -- "$@" "answers $address 19001"; done
	fi
	dial "$@" "api 127.0.0.1 16443" "agent 127.0.0.1 25000"
	for unit in kubelite k8s-dqlite containerd cluster-agent apiserver-proxy; do
		echo "snap.microk8s.daemon-$unit"
	done >"$scratch/units"
	# shellcheck disable=SC2046 # one word a unit is what is meant
	systemctl is-active $(cat "$scratch/units") 2>/dev/null | paste "$scratch/units" - | lines service >"$scratch/services" &
fi

[ -r /etc/os-release ] && (
	. /etc/os-release
	put os.id "${ID-}"
	put os.version "${VERSION_ID-}"
	put os.name "${PRETTY_NAME-}"
)
put architecture "$(uname -m)"
put kernel "$(uname -r)"
put host_name "$(uname -n)"
put cpus "$(getconf _NPROCESSORS_ONLN)"
while read -r key value _; do
	[ "$key" = MemTotal: ] && put memory_kib "$value" && break
done </proc/meminfo
small machine_id /etc/machine-id
small boot_id /proc/sys/kernel/random/boot_id
read -r uptime _ </proc/uptime && put uptime "$uptime"
put login "${SUDO_USER:-root}"
common=/var/snap/microk8s/common
disks="/ /var /var/snap /var/lib $common $common/var/openebs/local $common/default-storage"
# shellcheck disable=SC2086 # one word a directory is what is meant
df -Pk $disks 2>/dev/null | lines disk
# shellcheck disable=SC2086
df -Pi $disks 2>/dev/null | lines inode
ip -o -4 addr show 2>/dev/null | lines address
command -v cloud-init >/dev/null && put cloud_init yes
command -v mount.nfs >/dev/null && put nfs_client yes
small initiator /etc/iscsi/initiatorname.iscsi
if command -v snap >/dev/null; then
	for info in /usr/lib/snapd/info /snap/snapd/current/usr/lib/snapd/info; do file snapd "$info"; done
fi

small identity /var/lib/homeprov/identity
if [ -e /snap/microk8s/current ]; then
	ls -a "$data/var/lock" 2>/dev/null | lines lock
	small info "$backend/info.yaml"
	file stored "$backend/cluster.yaml"
	small ha_conf "$data/args/ha-conf"
	small failure_domain "$backend/failure-domain"
	if [ -e "$data/var/lock/clustered.lock" ]; then
		# A worker trusts its cluster's authority and keeps its own, of no use now, in ca.crt.
		file ca "$data/certs/ca.remote.crt"
	else
		file ca "$data/certs/ca.crt"
		file kubeconfig "$data/credentials/client.config"
	fi
	[ -e "$data/certs/ca.crt.backup" ] && put ca_replaced yes
	grep -e '^--root-dir' "$data/args/kubelet" 2>/dev/null | lines kubelet
	snap_version=$(sed -n 's/^VERSION=//p' /usr/lib/snapd/info 2>/dev/null)
	case $snap_version in
	2.[0-4]* | 2.5[0-7]*) timeout 8 snap get system refresh.hold 2>/dev/null | lines refresh_hold ;;
	esac
fi

wait
cat "$scratch"/snap "$scratch"/members "$scratch"/services "$scratch"/dial 2>/dev/null
exit 0
