//! "Did you mean …?"

/// The candidate that a slip of the fingers turns into `word`, if any is that near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    // One slip for three letters: `nmae` finds `name`, and `zone` does not find `role`.
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn distance(word: &str, candidate: &str) -> usize {
    strsim::damerau_levenshtein(word, &candidate.to_lowercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_slips_and_nothing_else() {
        let keys = ["name", "address", "role", "host_key"];
        assert_eq!(nearest("nmae", keys), Some("name"));
        assert_eq!(nearest("adress", keys), Some("address"));
        assert_eq!(nearest("Host-Key", keys), Some("host_key"));
        assert_eq!(nearest("zone", keys), None);
    }
}
