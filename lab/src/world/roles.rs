//! Which dqlite member votes, stands by or is a spare: the leader's arithmetic (canonical/go-dqlite app/roles.go).

use std::collections::BTreeSet;

/// A member's role, numbered as dqlite prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Role {
    /// Has the data and a vote.
    Voter = 0,
    /// Has the data, no vote.
    StandBy = 1,
    /// Has neither.
    Spare = 2,
}

impl Role {
    /// The number dqlite prints.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The word `microk8s status` prints.
    pub fn word(self) -> &'static str {
        match self {
            Self::Voter => "voter",
            Self::StandBy => "standby",
            Self::Spare => "spare",
        }
    }
}

/// What the leader knows of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// dqlite's id of the member.
    pub id: u64,
    /// Its role.
    pub role: Role,
    /// Whether it answers.
    pub online: bool,
    /// Its failure domain.
    pub domain: u64,
}

/// The wanted numbers.
#[derive(Debug, Clone, Copy)]
pub struct Roles {
    /// Voters, 3 in `MicroK8s`.
    pub voters: usize,
    /// Stand-bys, 3 in `MicroK8s`.
    pub standbys: usize,
}

impl Default for Roles {
    fn default() -> Self {
        Self { voters: 3, standbys: 3 }
    }
}

/// Below this size a cluster has one voter only.
const SMALLEST: usize = 3;

impl Roles {
    /// The role a member takes by itself when it starts, if it is to change.
    pub fn assume(self, members: &[Seen], id: u64) -> Option<Role> {
        if members.len() < SMALLEST {
            return None;
        }
        let me = members.iter().find(|member| member.id == id)?;
        if me.role != Role::Spare {
            return None;
        }
        let voters = count(members, Role::Voter, true);
        let standbys = count(members, Role::StandBy, true);
        if voters < self.voters {
            Some(Role::Voter)
        } else if standbys < self.standbys {
            Some(Role::StandBy)
        } else {
            None
        }
    }

    /// The next change of the leader's adjustment: a member and its new role; `None` when there is nothing to do.
    pub fn adjust(self, members: &[Seen], leader: u64) -> Option<(u64, Role)> {
        if members.len() < SMALLEST {
            let surplus = members.iter().find(|member| member.role == Role::Voter && member.id != leader);
            return surplus.map(|member| (member.id, Role::Spare));
        }
        let voters = count(members, Role::Voter, true);
        if voters < self.voters {
            let candidate = candidate(members, &[Role::StandBy, Role::Spare], Role::Voter);
            return candidate.map(|id| (id, Role::Voter));
        }
        if voters > self.voters {
            return surplus(members, Role::Voter, leader).map(|id| (id, Role::Spare));
        }
        if let Some(offline) = find(members, Role::Voter, false) {
            return Some((offline.id, Role::Spare));
        }
        if let Some(id) = unrepresented(members) {
            return Some((id, Role::Voter));
        }
        let standbys = count(members, Role::StandBy, true);
        if standbys < self.standbys
            && let Some(id) = candidate(members, &[Role::Spare], Role::StandBy)
        {
            return Some((id, Role::StandBy));
        }
        if standbys > self.standbys {
            return surplus(members, Role::StandBy, leader).map(|id| (id, Role::Spare));
        }
        find(members, Role::StandBy, false).map(|offline| (offline.id, Role::Spare))
    }
}

fn count(members: &[Seen], role: Role, online: bool) -> usize {
    members.iter().filter(|member| member.role == role && member.online == online).count()
}

fn find(members: &[Seen], role: Role, online: bool) -> Option<&Seen> {
    members.iter().find(|member| member.role == role && member.online == online)
}

fn domains(members: &[Seen], role: Role) -> BTreeSet<u64> {
    members.iter().filter(|member| member.role == role && member.online).map(|member| member.domain).collect()
}

/// The best online member of one of the roles `from` for `to`: in a domain that has no `to` yet first, then by role.
fn candidate(members: &[Seen], from: &[Role], to: Role) -> Option<u64> {
    let taken = domains(members, to);
    members
        .iter()
        .filter(|member| member.online)
        .filter_map(|member| from.iter().position(|role| *role == member.role).map(|rank| (member, rank)))
        .min_by_key(|(member, rank)| (*rank, taken.contains(&member.domain)))
        .map(|(member, _)| member.id)
}

/// An online member of `role` to demote: not the leader, and one whose domain has another where there is such a one.
fn surplus(members: &[Seen], role: Role, leader: u64) -> Option<u64> {
    let peers = |domain| members.iter().filter(|m| m.role == role && m.online && m.domain == domain).count();
    members
        .iter()
        .filter(|member| member.role == role && member.online && member.id != leader)
        .max_by_key(|member| peers(member.domain))
        .map(|member| member.id)
}

/// An online non-voter of a domain without voter, if some other domain has several voters.
fn unrepresented(members: &[Seen]) -> Option<u64> {
    let with = domains(members, Role::Voter);
    let crowded = with.len() < count(members, Role::Voter, true);
    let outsider = members
        .iter()
        .filter(|member| member.online && member.role != Role::Voter && !with.contains(&member.domain))
        .min_by_key(|member| member.role);
    outsider.filter(|_| crowded).map(|member| member.id)
}

#[cfg(test)]
mod tests {
    use super::{Role, Roles, Seen};

    fn cluster(members: &[(Role, bool, u64)]) -> Vec<Seen> {
        let numbered = members.iter().zip(1..);
        numbered.map(|(&(role, online, domain), id)| Seen { id, role, online, domain }).collect()
    }

    fn settle(mut members: Vec<Seen>, leader: u64) -> Vec<Role> {
        for _ in 0..20 {
            let Some((id, role)) = Roles::default().adjust(&members, leader) else {
                break;
            };
            members.iter_mut().find(|member| member.id == id).unwrap().role = role;
        }
        members.iter().map(|member| member.role).collect()
    }

    use Role::{Spare, StandBy, Voter};

    #[test]
    fn two_members_have_one_voter() {
        assert_eq!(settle(cluster(&[(Voter, true, 1), (Spare, true, 1)]), 1), [Voter, Spare]);
        assert_eq!(settle(cluster(&[(Voter, true, 1), (Voter, true, 1)]), 2), [Spare, Voter]);
        assert_eq!(Roles::default().assume(&cluster(&[(Voter, true, 1), (Spare, true, 1)]), 2), None);
    }

    #[test]
    fn the_third_member_votes_and_so_does_the_second() {
        let members = cluster(&[(Voter, true, 1), (Spare, true, 1), (Spare, true, 1)]);
        assert_eq!(Roles::default().assume(&members, 3), Some(Voter));
        assert_eq!(settle(members, 1), [Voter, Voter, Voter]);
    }

    #[test]
    fn the_fourth_to_sixth_stand_by_and_the_seventh_is_spare() {
        let mut members = cluster(&[(Voter, true, 1); 3]);
        for id in 4..=7 {
            members.push(Seen { id, role: Spare, online: true, domain: 1 });
            if let Some(role) = Roles::default().assume(&members, id) {
                members.last_mut().unwrap().role = role;
            }
        }
        let roles: Vec<Role> = members.iter().map(|member| member.role).collect();
        assert_eq!(roles, [Voter, Voter, Voter, StandBy, StandBy, StandBy, Spare]);
    }

    #[test]
    fn a_dead_voter_of_three_stays_a_voter() {
        let members = cluster(&[(Voter, true, 1), (Voter, true, 1), (Voter, false, 1)]);
        assert_eq!(settle(members, 1), [Voter, Voter, Voter]);
    }

    #[test]
    fn a_dead_voter_of_four_is_replaced_and_becomes_a_spare() {
        let members = cluster(&[(Voter, true, 1), (Voter, true, 1), (Voter, false, 1), (StandBy, true, 1)]);
        assert_eq!(settle(members, 1), [Voter, Voter, Spare, Voter]);
    }

    #[test]
    fn a_domain_without_voter_gets_one_and_the_crowded_one_loses_one() {
        let members = cluster(&[(Voter, true, 1), (Voter, true, 1), (Voter, true, 1), (StandBy, true, 2)]);
        let roles = settle(members, 1);
        assert_eq!(roles[0], Voter);
        assert_eq!(roles[3], Voter);
        assert_eq!(roles.iter().filter(|role| **role == Voter).count(), 3);
    }
}
