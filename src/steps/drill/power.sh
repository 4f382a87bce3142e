# Switches this machine off at once: nothing is ended, written or unmounted. It does not come to the end of this.
if [ -w /proc/sysrq-trigger ]; then
	echo o >/proc/sysrq-trigger
	sleep 10
fi
# A kernel that takes no such order: this asks it the other way, past everything that runs (systemctl(1), --force given twice).
systemctl poweroff --force --force
sleep 20
exit 1
