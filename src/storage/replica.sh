# The bytes of a volume's replica on this node's disk. Read-only. $1 its directory, $2 the files, $3 the text of every
# block or nothing. Each file is read once, its holes are skipped (`grep -z` of GNU seeks over them). `du -x` would leave
# out the files of an overlay, whose device is another one than that of their directories.
cd -- "$1" || exit 1
printf 'allocated %s\n' "$(du -s -B1 . | cut -f1)"
[ -n "$3" ] || exit 0
find . -xdev -type f -name "$2" | sed 's,^\./,file ,' | sort
blocks=$(find . -xdev -type f -name "$2" -exec grep -a -z -o -h -e "$3 [0-9]\{8\}" {} + | tr '\0' '\n' | sort -u | wc -l)
printf 'blocks %s\n' "$blocks"
