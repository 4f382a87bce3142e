# Runs in the pod, for the shells of busybox and Debian alike. Writes $BLOCKS blocks to the volume, the working
# directory, and waits, so that the volume stays mounted while it is looked at; also when it could not be written.
trap 'exit 0' TERM
blocks() {
  i=0
  while [ "$i" -lt "$BLOCKS" ]; do
    printf 'homeprov-proof %s %08d\n%s\000' "$MARK" "$i" "$CHUNK" || return
    i=$((i + 1))
  done
}
if blocks | dd of=canary bs=65536 conv=fsync && sync && sum=$(sha256sum canary); then
  echo "hash ${sum%% *}"
else
  echo "failed"
fi
i=0
while [ "$i" -lt "$HOLD" ]; do
  sleep 1
  i=$((i + 1))
done
