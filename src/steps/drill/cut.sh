# Cuts this machine off from everything but SSH. What ends it is started first: a controller that is lost cannot leave it cut off.
# $1 after how many seconds, $2 the port of sshd.
set -e
command -v nft >/dev/null || { echo "there is no nft here: apt-get install nftables" >&2; exit 3; }
[ -d /run/systemd/system ] && command -v systemd-run >/dev/null || { echo "there is no systemd here to end it in time" >&2; exit 3; }
systemctl stop homeprov-drill-back.timer 2>/dev/null || true
systemd-run --quiet --collect --unit=homeprov-drill-back --on-active="$1" sh -c \
	'nft delete table inet homeprov_drill; pkill -CONT -x speaker; true'
systemctl is-active --quiet homeprov-drill-back.timer
# MetalLB answers ARP past the rules (metallb/metallb internal/layer2): silent it is as if the cable was out.
pkill -STOP -x speaker || true
nft -f - <<RULES
table inet homeprov_drill {
	chain input {
		type filter hook input priority -310; policy drop;
		iif lo accept
		tcp dport $2 accept
	}
	chain output {
		type filter hook output priority -310; policy drop;
		oif lo accept
		tcp sport $2 accept
	}
	chain forward {
		type filter hook forward priority -310; policy drop;
	}
}
RULES
