//! Somebody else answers at a node's address, from the middle of a run on.

use crate::harness::lab;
use crate::row::Row;

/// `middle` puts a server with a host key of its own in front of the first node's: the node's address is here now, so what
/// stands to it breaks, and what is made anew leads to him. He would let the user in, and writes down what he is told.
const MIDDLE: &str = r#"
cd $(mktemp -d)
known=$(sed -n 's/^known_hosts = "\(.*\)"/\1/p' $I)
ssh-keygen -q -t ed25519 -N '' -f thief
ssh-keygen -y -f $(sed -n 's/^identity = "\(.*\)"/\1/p' $I) >authorized
printf '#!/bin/sh\necho "$SSH_ORIGINAL_COMMAND" >>%s\ncat >>%s\n' $PWD/heard $PWD/heard >shell
chmod 755 shell . ..
cat >config <<END
ListenAddress 10.77.0.11
HostKey $PWD/thief
AuthorizedKeysFile $PWD/authorized
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
ForceCommand $PWD/shell
END
middle() {
  ip link set lo up
  ip address add 10.77.0.11/32 dev lo
  unshare --mount --propagation private sh -c \
    'mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec /usr/sbin/sshd -D -e -f config 2>thief.log' &
}
"#;

#[test]
fn a_man_in_the_middle_of_a_run() {
    let row = Row::of("man in the middle with a host key of its own", "in the middle of the first `up`, after a step");
    let ran = lab(
        "--nodes 1",
        &format!(
            "{MIDDLE}
             part node; ssh-keygen -lf $known | grep -F 10.77.0.11 | cut -d' ' -f2
             part thief; ssh-keygen -lf thief.pub | cut -d' ' -f2
             homeprov up --json $I >out 2>err & run=$!
             until grep -q step-applied out; do kill -0 $run || break; sleep 0.1; done
             middle
             wait $run; echo up=$?
             part up; grep '\"unreachable\"' out; tail -n 1 out
             part again; homeprov up --yes $I; echo again=$?
             part log; cat thief.log
             part heard; cat heard
             part end"
        ),
    );
    let fingerprint = |part: &str| ran.part(part).lines().next().unwrap_or_default().to_owned();
    let (node, thief) = (fingerprint("node"), fingerprint("thief"));
    ran.expect(node.starts_with("SHA256:") && thief.starts_with("SHA256:") && node != thief, "there are two keys");
    ran.expect(ran.code_of("up") == 9, "the run ends without the node");
    let up = ran.part("up");
    ran.expect(up.contains("\"run-finished\"") && !up.contains("\"applied\":0"), "it was in the middle of its work");
    ran.expect(ran.code_of("again") == 9, "also where every question is answered with yes");
    for told in [&up, &ran.part("again")] {
        for words in ["has changed", &node, &thief, "ssh-keygen -f", "somebody may be in between"] {
            ran.expect(told.contains(words), &format!("it should say: {words}"));
        }
    }
    let log = ran.part("log");
    ran.expect(log.contains("Connection closed by 10.77.0.11"), "he was really met");
    ran.expect(!log.contains("Accepted") && !ran.text.contains("Authentication"), "nobody logged in there");
    ran.expect(ran.part("heard").contains("No such file"), "and nothing was sent");
    row.ended("exit code 9: refused with both fingerprints; no login, no command");
}
