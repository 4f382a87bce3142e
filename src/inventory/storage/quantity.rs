//! Sizes and spans of time as the inventory writes them: `20GiB`, `30d`.

use std::time::Duration;

const SIZES: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
const SPANS: [(&str, u64); 3] = [("h", 3600), ("d", 24 * 3600), ("w", 7 * 24 * 3600)];

/// The bytes of a size such as `20GiB`; none when it is not one or too large to be one.
pub fn bytes(text: &str) -> Option<u64> {
    product(text, &SIZES)
}

/// A span of time such as `30d`; none when it is not one.
pub fn span(text: &str) -> Option<Duration> {
    product(text, &SPANS).map(Duration::from_secs)
}

fn product(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// What a size with another unit was perhaps meant to be: `20G`, `20 gb` and `20Gi` are `20GiB`.
pub fn meant(text: &str) -> Option<String> {
    let text: String = text.to_lowercase().split_whitespace().collect();
    let digits = text.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
    let (number, unit) = text.split_at(digits);
    let (name, _) = SIZES.iter().find(|(name, _)| {
        let name = name.to_lowercase();
        [&name[..1], &name[..2], &format!("{}b", &name[..1]), &name].contains(&unit)
    })?;
    Some(format!("{number}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans() {
        assert_eq!(bytes("20GiB"), Some(20 << 30));
        assert_eq!(bytes("64 MiB"), Some(64 << 20));
        assert_eq!(span("30d"), Some(Duration::from_secs(30 * 86400)));
        assert_eq!(span("2w"), span("14d"));
        for not in ["", "20", "GiB", "20GB", "20G", "-1GiB", "1.5GiB", "20  GiB", "99999999999999TiB"] {
            assert_eq!(bytes(not), None, "{not}");
        }
        assert!(span("30s").is_none() && span("d").is_none() && span("1 h 30").is_none());
    }

    #[test]
    fn other_units_are_understood_well_enough_to_say_what_to_write() {
        for text in ["20G", "20Gi", "20 GB", "20gib"] {
            assert_eq!(meant(text).as_deref(), Some("20GiB"), "{text}");
        }
        assert_eq!(meant("plenty"), None);
        assert_eq!(meant("20 parsecs"), None);
    }
}
