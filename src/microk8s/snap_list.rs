//! The table of `snap list` (canonical/snapd, `cmd/snap/cmd_list.go`).

use crate::facts::node::Snap;

/// Reads the table; anything that is not a row is passed over.
pub fn parse(text: &str) -> Vec<(String, Snap)> {
    let rows = text.lines().skip_while(|line| !line.starts_with("Name ")).skip(1);
    rows.filter_map(|line| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (name, version, revision, tracking) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let notes = words.nth(1).unwrap_or_default();
        let notes = notes.split(',').filter(|note| !note.is_empty() && *note != "-").map(str::to_owned).collect();
        Some((name, Snap { version, revision, tracking, notes }))
    })
    .collect()
}

/// A key that orders snapd's versions: `2.57.6-1+deb12u1` → `[2, 57, 6]`.
pub fn version_key(version: &str) -> Vec<u32> {
    let numbers = version.split(['-', '+', '~']).next().unwrap_or_default();
    numbers.split('.').map_while(|number| number.parse().ok()).collect()
}

/// Whether this snapd can hold the refreshes of a single snap: `snap refresh --hold` came with 2.58.
pub fn can_hold(snapd: &str) -> bool {
    version_key(snapd) >= vec![2, 58]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rows_and_passes_over_errors() {
        let rows = parse(
            "Name      Version  Rev  Tracking     Publisher   Notes\nmicrok8s  v1.36.2  x1   1.36/stable  -  classic\n",
        );
        assert_eq!(rows[0].1.tracking, "1.36/stable");
        assert_eq!(rows[0].1.notes, ["classic"]);
        assert_eq!(rows[0].1.minor(), Some("1.36"));
        assert!(parse("error: no matching snaps installed\n").is_empty());
    }

    #[test]
    fn knows_which_snapd_can_hold() {
        assert!(!can_hold("2.57.6-1+deb12u1") && can_hold("2.58") && can_hold("2.63.1+24.04"));
    }
}
