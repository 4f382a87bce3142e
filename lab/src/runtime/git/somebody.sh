#!/bin/sh
# Another person's commit in the repository: somebody.sh PATH MESSAGE, the file's content on standard input.
set -e
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
GIT_DIR=$(dirname "$0")/repository
GIT_INDEX_FILE=$GIT_DIR/somebody.index
GIT_AUTHOR_NAME=Bob
GIT_AUTHOR_EMAIL=bob@lab.example
GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME
GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
export PATH GIT_DIR GIT_INDEX_FILE GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
rm -f "$GIT_INDEX_FILE"
parent=$(git rev-parse --quiet --verify refs/heads/main) || parent=
[ -z "$parent" ] || git read-tree "$parent"
git update-index --add --cacheinfo "100644,$(git hash-object -w --stdin),$1"
commit=$(git commit-tree ${parent:+-p "$parent"} -m "$2" "$(git write-tree)")
git update-ref refs/heads/main "$commit" ${parent:+"$parent"}
rm -f "$GIT_INDEX_FILE"
