//! The inventory under random input: nothing panics, ranges mean what they say, overlaps are all found.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;

use homeprov::diagnostic::{Place, Severity};
use homeprov::inventory::{self, InvalidInventory, Loaded};
use proptest::prelude::*;

const EXAMPLES: [&str; 2] =
    [include_str!("../inventory/five-nodes.toml"), include_str!("inventory/valid/every-key.toml")];

fn load(text: &str) -> Result<Loaded, InvalidInventory> {
    inventory::parse(Path::new("random.toml"), text.to_owned())
}

/// An inventory of one node at 192.168.1.1 with a pool.
fn with_pool(ranges: &[String]) -> String {
    let ranges: Vec<String> = ranges.iter().map(|range| format!("{range:?}")).collect();
    format!(
        "[cluster]\nname = \"home\"\n[[nodes]]\nname = \"nuc1\"\naddress = \"192.168.1.1\"\n[metallb]\npool = [{}]\n",
        ranges.join(", ")
    )
}

/// Loads a text; whatever comes of it must be showable, and must name a place in the text.
fn survives(text: &str) {
    let problems = match load(text) {
        Ok(loaded) => loaded.warnings,
        Err(error) => {
            assert!(error.problems().iter().any(|problem| problem.severity() == Severity::Error));
            assert!(error.render(true, 80).ends_with('\n'));
            error.problems().to_vec()
        }
    };
    for problem in problems {
        let Place { line, column } = problem.place().unwrap();
        assert!(line <= text.matches('\n').count() + 1);
        let shown = problem.render(false, 80);
        assert!(shown.contains(&format!("[random.toml:{line}:{column}]")), "{shown}");
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    }
}

/// A value of any type, as TOML.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f32>().prop_map(|n| format!("{n:?}").to_lowercase()),
        any::<bool>().prop_map(|b| b.to_string()),
        Just("2026-01-01".to_owned()),
        "\\PC{0,12}".prop_map(|s| serde_json::to_string(&s).unwrap()),
        "[-0-9./:a-fSHA~@, ]{0,24}".prop_map(|s| format!("\"{s}\"")),
        "[\\x00-\\x1f]{0,4}".prop_map(|s| serde_json::to_string(&s).unwrap()),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
            ("[a-z]{1,6}", inner).prop_map(|(key, value)| format!("{{ {key} = {value} }}")),
        ]
    })
}

proptest! {
    // A failing case is printed whole; keeping it in a file of its own is left to whoever finds one.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in "\\PC*") {
        survives(&text);
    }

    #[test]
    fn any_bytes_of_text_are_answered(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn a_damaged_example_is_answered(
        example in prop::sample::select(&EXAMPLES[..]),
        at in any::<prop::sample::Index>(),
        length in 0..40_usize,
        instead in "[\\[\\]{}\"'=#.,é\n\r\t\u{0}\u{1b}a-z0-9 ]{0,8}",
    ) {
        let chars: Vec<char> = example.chars().collect();
        let start = at.index(chars.len());
        let end = (start + length).min(chars.len());
        let text: String = chars[..start].iter().copied().chain(instead.chars()).chain(chars[end..].iter().copied()).collect();
        survives(&text);
    }

    #[test]
    fn a_password_is_quoted_by_no_message(
        example in prop::sample::select(&EXAMPLES[..]),
        line in any::<prop::sample::Index>(),
        password in prop::sample::select(&[
            "password = \"hunter2\"", "sudo_pass = 'hunter2", "\ttoken = \"\"\"\nhunter2\"\"\"", "x = { pwd = \"hunter2\" }",
            "[secrets]\nnuc1 = \"hunter2\"", "passwords = [\n  \"hunter2\",\n]", "password hunter2", "# password: hunter2",
        ][..]),
        damage in any::<prop::sample::Index>(),
        instead in "[\\[\\]{}\"'=#.,é\n\r\t\u{0}\u{1b}a-z0-9 ]{0,8}",
    ) {
        let mut lines: Vec<&str> = example.lines().collect();
        let at = line.index(lines.len());
        let damaged = damage.index(lines.len());
        lines[damaged] = &instead;
        lines.insert(at, password);
        let text = lines.join("\n");
        let shown = match load(&text) {
            Ok(loaded) => loaded.warnings.iter().map(|problem| problem.render(false, 200)).collect(),
            Err(error) => error.render(false, 200),
        };
        prop_assert!(!shown.contains("hunter2"), "{}", shown);
    }

    #[test]
    fn any_value_of_any_key_is_answered(
        line in 0..60_usize,
        example in prop::sample::select(&EXAMPLES[..]),
        value in value(),
    ) {
        let lines: Vec<String> = example
            .lines()
            .enumerate()
            .map(|(number, text)| match text.split_once(" = ") {
                Some((key, _)) if number == line && !key.starts_with('#') => format!("{key} = {value}"),
                _ => text.to_owned(),
            })
            .collect();
        survives(&lines.join("\n"));
    }

    #[test]
    fn a_range_is_read_as_it_is_written(one in any::<u32>(), other in any::<u32>()) {
        let (first, last) = (Ipv4Addr::from(one.min(other)), Ipv4Addr::from(one.max(other)));
        let text = format!("{first}-{last}");
        // Most ranges overlap with what is reserved; then it is that, not the form, that is said.
        match load(&with_pool(std::slice::from_ref(&text))) {
            Ok(loaded) => {
                let pool = loaded.inventory.metallb.unwrap().pool;
                prop_assert_eq!((&pool[0].text, pool[0].first, pool[0].last), (&text, first, last));
            }
            Err(error) => {
                let reserved = |m: &str| m.starts_with("the pool reaches into") || m.starts_with("the pool holds");
                let mut errors = error.problems().iter().filter(|p| p.severity() == Severity::Error);
                prop_assert!(errors.all(|problem| reserved(problem.message())), "{}", error);
            }
        }
    }

    #[test]
    fn a_block_is_all_of_its_addresses(host in 2..=254_u8, prefix in 24..=32_u8) {
        let size = 1_u32 << (32 - prefix);
        let base = u32::from(Ipv4Addr::new(192, 168, 2, host)) / size * size;
        let text = format!("{}/{prefix}", Ipv4Addr::from(base));
        let pool = load(&with_pool(&[text])).unwrap().inventory.metallb.unwrap().pool;
        prop_assert_eq!(u32::from(pool[0].first), base);
        prop_assert_eq!(u32::from(pool[0].last), base + size - 1);
    }

    #[test]
    fn overlaps_are_those_found_by_counting(
        ranges in prop::collection::vec((2..60_u8, 0..20_u8), 1..5),
    ) {
        let bounds: Vec<(u8, u8)> = ranges.iter().map(|(first, more)| (*first, first + more)).collect();
        let texts: Vec<String> = bounds
            .iter()
            .map(|(first, last)| format!("192.168.1.{first}-192.168.1.{last}"))
            .collect();
        let mut twice = 0;
        for (index, (first, last)) in bounds.iter().enumerate() {
            let mine: BTreeSet<u8> = (*first..=*last).collect();
            twice += bounds[..index].iter().filter(|(a, b)| (*a..=*b).any(|n| mine.contains(&n))).count();
        }
        match load(&with_pool(&texts)) {
            Ok(_) => prop_assert_eq!(twice, 0),
            Err(error) => {
                prop_assert_eq!(error.to_string().matches("two ranges of the pool hold").count(), twice);
                prop_assert_eq!(error.problems().len(), twice, "{}", error);
            }
        }
    }

    #[test]
    fn a_node_in_the_pool_is_found(first in 1..=254_u8, last in 1..=254_u8) {
        let (first, last) = (first.min(last), first.max(last));
        let text = format!("192.168.1.{first}-192.168.1.{last}");
        let loaded = load(&with_pool(&[text]));
        prop_assert_eq!(loaded.is_err(), first == 1);
    }
}
