# Brings back a node whose MicroK8s a drill has stopped.
set -e
# What stops it may be at work still, whoever began it.
for _ in $(seq 120); do
	read -r stopping </run/homeprov-drill-stopping 2>/dev/null && kill -0 "$stopping" 2>/dev/null || break
	sleep 1
done
data=/var/snap/microk8s/current
systemctl stop homeprov-drill-back.timer 2>/dev/null || true
if [ -e "$data/var/lock/clustered.lock" ]; then
	rm -f "$data/var/lock/stopped.lock"
	/usr/bin/snap start --enable microk8s
else
	/snap/bin/microk8s start
fi
