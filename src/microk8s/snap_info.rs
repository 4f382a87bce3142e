//! The channels `snap info` lists (canonical/snapd, `cmd/snap/cmd_info.go`).

/// The channels of a snap that can be installed, in the order shown; closed ones are left out.
pub fn channels(text: &str) -> Vec<String> {
    let rows = text.lines().skip_while(|line| !line.starts_with("channels:")).skip(1);
    rows.take_while(|line| line.starts_with(' '))
        .filter_map(|line| {
            let (channel, rest) = line.trim().split_once(':')?;
            let version = rest.split_whitespace().next()?;
            (!matches!(version, "--" | "–" | "-")).then(|| channel.to_owned())
        })
        .collect()
}

/// Whether a channel is among the listed ones: `1.35/stable`, or a branch of it such as `1.35/stable/fix`.
pub fn lists(channels: &[String], wanted: &str) -> bool {
    let risk: Vec<&str> = wanted.splitn(3, '/').take(2).collect();
    channels.iter().any(|channel| *channel == risk.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_what_can_be_installed() {
        let text = "name:      microk8s\nchannels:\n  1.36/stable:      v1.36.2  2026-07-01 (1) 222MB classic\n  1.36/edge:   --\n  1.35/candidate:  ^\ntracking: 1.36/stable\n";
        let listed = channels(text);
        assert_eq!(listed, ["1.36/stable", "1.35/candidate"]);
        assert!(lists(&listed, "1.36/stable") && !lists(&listed, "1.34/stable"));
    }
}
