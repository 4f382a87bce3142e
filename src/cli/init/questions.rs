//! The questions `init` asks on a terminal, about what was not said on the command line.

use std::io;

use crate::inventory::Engine;
use crate::inventory::draft::{Draft, Site, machine};

/// Asks until everything is answered; an empty answer takes what stands in brackets.
pub(super) fn complete(draft: &mut Draft, mut ask: impl FnMut(&str) -> io::Result<String>) -> io::Result<()> {
    if draft.name.is_empty() {
        draft.name = ask("The cluster's name [home]: ")?;
    }
    machines(draft, &mut ask)?;
    if draft.user.is_none() {
        draft.user = filled(ask("The login on the machines, root or one that may use sudo [as ssh decides]: ")?);
    }
    if draft.pool.is_none() {
        draft.pool = filled(ask(
            "Addresses for services, which the router's DHCP must not hand out, such as 192.168.1.240-192.168.1.250 [none]: ",
        )?);
    }
    if draft.storage.is_none() {
        draft.storage = storage(&mut ask)?;
    }
    if draft.repository.is_none() {
        draft.repository = filled(ask("A Git repository for what runs in the cluster, ssh://… or https://… [none]: ")?);
    }
    if draft.site.is_none() && draft.repository.is_some() && draft.pool.is_some() {
        draft.site = site(&mut ask)?;
    }
    Ok(())
}

fn filled(answer: String) -> Option<String> {
    (!answer.is_empty()).then_some(answer)
}

/// Whatever is not understood is asked again.
fn machines(draft: &mut Draft, ask: &mut impl FnMut(&str) -> io::Result<String>) -> io::Result<()> {
    let mut remark = String::from("Each machine as ADDRESS [NAME] [worker]; an empty line after the last one.\n");
    loop {
        let place = draft.machines.len() + 1;
        let answer = ask(&format!("{remark}Machine {place}: "))?;
        remark.clear();
        if answer.is_empty() && place > 1 {
            return Ok(());
        }
        if answer.is_empty() {
            "A cluster takes one machine at the least.\n".clone_into(&mut remark);
            continue;
        }
        match machine(&answer, place) {
            Ok(machine) => draft.machines.push(machine),
            Err(why) => remark = format!("{why}\n"),
        }
    }
}

fn storage(ask: &mut impl FnMut(&str) -> io::Result<String>) -> io::Result<Option<Engine>> {
    let mut remark = "";
    loop {
        let answer = ask(&format!(
            "{remark}Volumes: jiva (on several machines), hostpath (on one), none [by the number of machines]: "
        ))?;
        match answer.as_str() {
            "" => return Ok(None),
            "jiva" => return Ok(Some(Engine::Jiva)),
            "hostpath" => return Ok(Some(Engine::Hostpath)),
            "none" => return Ok(Some(Engine::None)),
            _ => remark = "Please answer jiva, hostpath or none, or nothing.\n",
        }
    }
}

fn site(ask: &mut impl FnMut(&str) -> io::Result<String>) -> io::Result<Option<Site>> {
    let Some(domain) = filled(ask("Mastodon, at which domain? It can never change [none]: ")?) else { return Ok(None) };
    let mut until_filled = |question: &str| loop {
        if let Some(answer) = filled(ask(question)?) {
            return io::Result::Ok(answer);
        }
    };
    let owner = until_filled("The owner's name there: ")?;
    let email = until_filled("The owner's e-mail address: ")?;
    Ok(Some(Site { domain, owner, email }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Completes a draft with these answers, each of which has to be asked for.
    fn answered(mut draft: Draft, answers: &[&str]) -> (Draft, Vec<String>) {
        let mut answers = answers.iter();
        let mut asked = Vec::new();
        let ask = |question: &str| {
            asked.push(question.to_owned());
            Ok((*answers.next().unwrap_or_else(|| panic!("nobody answers {question}"))).to_owned())
        };
        complete(&mut draft, ask).unwrap();
        assert_eq!(answers.next(), None, "not asked for");
        (draft, asked)
    }

    #[test]
    fn everything_is_asked_once() {
        let answers = [
            "den",
            "10.0.0.1 one",
            "10.0.0.2",
            "10.0.0.3 three worker",
            "",
            "me",
            "10.0.0.9",
            "",
            "ssh://g/h",
            "example.org",
            "al",
            "al@example.org",
        ];
        let (draft, _) = answered(Draft::default(), &answers);
        assert_eq!((draft.name.as_str(), draft.machines.len(), draft.user.as_deref()), ("den", 3, Some("me")));
        assert_eq!((draft.pool.as_deref(), draft.storage), (Some("10.0.0.9"), None));
        assert_eq!(draft.site.unwrap().owner, "al");
    }

    #[test]
    fn what_was_said_is_not_asked_and_what_is_not_understood_is_asked_again() {
        let given =
            Draft { name: "den".into(), user: Some("me".into()), pool: Some("10.0.0.9".into()), ..Draft::default() };
        let (draft, asked) = answered(given, &["", "attic", "10.0.0.1", "", "cheap", "none", ""]);
        assert_eq!((draft.machines.len(), draft.storage), (1, Some(Engine::None)));
        assert!(asked.iter().any(|question| question.contains("`attic` is no IPv4 address")), "{asked:?}");
        assert!(!asked.iter().any(|question| question.contains("Mastodon")), "{asked:?}");
    }
}
