//! dqlite's member list, as its shell prints it and as its files hold it.

use std::net::Ipv4Addr;

use serde::Deserialize;

use crate::facts::node::{Member, MemberRole};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "ID")]
    id: u64,
    address: String,
    role: u8,
}

impl Entry {
    fn member(self) -> Option<Member> {
        let role = match self.role {
            0 => MemberRole::Voter,
            1 => MemberRole::StandBy,
            2 => MemberRole::Spare,
            _ => return None,
        };
        Some(Member { id: self.id, address: host(&self.address)?, role })
    }
}

fn host(address: &str) -> Option<Ipv4Addr> {
    address.rsplit_once(':')?.0.parse().ok()
}

/// Reads the answer of `dqlite … -f json k8s .cluster`; absent when it is not a member list.
pub fn parse_json(text: &str) -> Option<Vec<Member>> {
    let entries: Vec<Entry> = serde_json::from_str(text).ok()?;
    let mut members = entries.into_iter().map(Entry::member).collect::<Option<Vec<_>>>()?;
    members.sort_by_key(|member| member.id);
    Some(members)
}

/// Reads `cluster.yaml`; empty when it is not a member list.
pub fn parse_yaml(text: &str) -> Vec<Member> {
    let entries: Vec<Entry> = serde_saphyr::from_str(text).unwrap_or_default();
    entries.into_iter().filter_map(Entry::member).collect()
}

/// Reads `info.yaml`, the node's own entry.
pub fn parse_yaml_entry(text: &str) -> Option<Member> {
    serde_saphyr::from_str::<Entry>(text).ok()?.member()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_files_and_the_answer() {
        let yaml = "- ID: 3297041220608546238\n  Address: 10.77.0.11:19001\n  Role: 0\n- ID: 5\n  Address: 10.77.0.12:19001\n  Role: 2\n";
        assert_eq!(parse_yaml(yaml)[1].role, MemberRole::Spare);
        assert_eq!(parse_yaml_entry("ID: 5\nAddress: 10.77.0.12:19001\nRole: 1\n").unwrap().role, MemberRole::StandBy);
        assert!(parse_json("not a list").is_none());
        assert!(parse_json("[{\"ID\":1,\"Address\":\"x\",\"Role\":0}]").is_none());
    }
}
