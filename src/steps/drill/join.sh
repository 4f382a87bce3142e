# Ends what a drill cut off.
nft delete table inet homeprov_drill 2>/dev/null
pkill -CONT -x speaker
systemctl stop homeprov-drill-back.timer 2>/dev/null
if nft list table inet homeprov_drill >/dev/null 2>&1; then echo "its rules are there still: nft delete table inet homeprov_drill"; exit 1; fi
exit 0
