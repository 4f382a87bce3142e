//! Ranges of versions: `3.3.x`, `^3.3`, `>=3.3.0 <3.5`.

/// Whether `version` fits `constraint`; an empty constraint takes everything.
pub(super) fn fits(constraint: &str, version: &str) -> bool {
    let parts = constraint.split([',', ' ']).filter(|part| !part.is_empty());
    parts.into_iter().all(|part| one(part, version))
}

fn numbers(text: &str) -> [u64; 3] {
    let mut parts = text.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

/// How many of the three numbers a pattern fixes.
fn fixed(text: &str) -> usize {
    let open = |part: &str| ["x", "X", "*"].contains(&part);
    text.split('.').take(3).take_while(|part| !open(part)).count()
}

fn one(part: &str, version: &str) -> bool {
    let at = part.find(|letter: char| letter.is_ascii_digit() || "xX*".contains(letter)).unwrap_or(part.len());
    let (operator, wanted) = part.split_at(at);
    let wanted = wanted.trim_start_matches('v');
    let (low, now, depth) = (numbers(wanted), numbers(version), fixed(wanted));
    match operator {
        ">" => now > low,
        ">=" => now >= low,
        "<" => now < low,
        "<=" => now <= low,
        "!=" => now != low,
        "^" => now >= low && now[0] == low[0],
        "~" => now >= low && now[..depth.clamp(1, 2)] == low[..depth.clamp(1, 2)],
        _ => now[..depth] == low[..depth],
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn ranges_take_what_they_should() {
        for constraint in ["3.3.x", "3.3.1", "^3.1", "~3.3.0", ">=3.3.0 <3.5", "3", "", "*"] {
            assert!(fits(constraint, "3.3.1"), "{constraint}");
        }
        for constraint in ["3.4.x", "3.3.0", "^4", "~3.2", ">3.3.1", "<3.3"] {
            assert!(!fits(constraint, "3.3.1"), "{constraint}");
        }
        assert!(!fits("3.3.x", "3.10.0"));
    }
}
