#!/bin/sh
# What a login as the user git may do: serve.sh read|write, as authorized_keys has it.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
here=$(dirname "$0")
asked=$SSH_ORIGINAL_COMMAND
case $asked in
"git-upload-pack '"*"'" | "git-receive-pack '"*"'") ;;
"")
	echo "Hi homelab! You've successfully authenticated, but this server does not provide shell access." >&2
	exit 1
	;;
*)
	echo "Invalid command: '$asked'" >&2
	exit 1
	;;
esac
verb=${asked%% *}
name=${asked#* \'}
name=${name%\'}
name=${name#/}
if [ "${name%.git}" != homelab/cluster ]; then
	echo "ERROR: Repository not found." >&2
	exit 1
fi
if [ "$verb" = git-receive-pack ]; then
	if [ "$1" != write ]; then
		echo "ERROR: The key you are authenticating with has been marked as read only." >&2
		exit 1
	fi
	# The fault git-push-rejected: between this client's last fetch and its push somebody else has pushed.
	if rm "$here/somebody-pushes" 2>/dev/null; then
		echo "# Homelab" | "$here/somebody.sh" README.md "Say what this repository is for"
	fi
fi
exec git "${verb#git-}" "$here/repository"
