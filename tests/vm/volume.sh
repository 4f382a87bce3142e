# Run on the machine by root: an iSCSI disk that calls itself what Jiva's target does (openebs/gotgt pkg/scsi/cmd.go), and
# another one. multipathd is configured to take every disk it may: it must have taken the other one only.
# shellcheck shell=sh
set -eu
iqn=iqn.2016-09.com.openebs.jiva:vm-test
target() { tgtadm --lld iscsi --mode "$@"; }
systemctl start tgt
target target --op new --tid 1 --targetname "$iqn"
for lun in 1 2; do
  truncate -s 32M "/srv/disk$lun"
  target logicalunit --op new --tid 1 --lun "$lun" --backing-store "/srv/disk$lun"
done
target logicalunit --op update --tid 1 --lun 1 --params vendor_id=CLOUDBYT,product_id=OPENEBS
target target --op bind --tid 1 --initiator-address ALL
iscsiadm -m discovery -t sendtargets -p 127.0.0.1
iscsiadm -m node -T "$iqn" -p 127.0.0.1 --login
disk=/dev/disk/by-path/ip-127.0.0.1:3260-iscsi-$iqn-lun-
waits=0
until [ -e "${disk}1" ] && multipathd show paths format '%d %m' | grep -q "^$(basename "$(readlink -f "${disk}2")") *mpath"; do
  [ "$waits" -lt 60 ] || { multipathd show paths; echo 'multipathd did not take the other disk'; exit 1; }
  waits=$((waits + 1))
  sleep 1
done
mkfs.ext4 -q "${disk}1"
mount "${disk}1" /mnt
echo bytes >/mnt/file
umount /mnt
multipath -f "$(multipathd show paths format '%d %m' | sed -n "s/^$(basename "$(readlink -f "${disk}2")") *\(mpath[a-z]*\).*/\1/p")"
iscsiadm -m node -T "$iqn" -p 127.0.0.1 --logout
iscsiadm -m node -T "$iqn" -p 127.0.0.1 --op delete
target target --op delete --force --tid 1
