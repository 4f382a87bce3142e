# What a volume of a pod is on this node. Read-only. $1 kubelet's root directory, $2 the pod's uid, $3 the PV,
# $4 the device's link or nothing, $5 the text to look for in the pod's own space or nothing.
# Prints a key and a value on each line; what is not there is not printed.
pod=$1/pods/$2
path=
for directory in "$pod"/volumes/*/"$3"; do
  [ -d "$directory" ] || continue
  case $directory in
    */kubernetes.io~csi/*) path=$directory/mount ;;
    *) path=$directory ;;
  esac
done
printf 'path %s\n' "${path:-$pod/volumes}"
if [ -n "$path" ]; then
  findmnt -n -r -o SOURCE,FSTYPE,MAJ:MIN,OPTIONS --mountpoint "$path" | tail -n 1 | sed 's/^/mount /'
fi
findmnt -n -r -o MAJ:MIN --mountpoint / | tail -n 1 | sed 's/^/root /'
[ -z "$4" ] || [ ! -e "$4" ] || printf 'device %s\n' "$(readlink -f -- "$4")"
# Stays on the root disk's file system: what is mounted below is not gone into.
[ -z "$5" ] || find "$pod" -xdev -type f -size +0 -exec grep -l -a -z -F -e "$5" {} + | sed 's/^/stray /'
exit 0
