//! Lengths of time as Go writes them (`time.Duration`): `1h0m0s`, `30s`, `1.5s`.

use crate::kubernetes::types::Millis;

/// The length a text like `10m` or `1m30s` stands for; none for a text that is no length.
pub(super) fn parse(text: &str) -> Option<Millis> {
    let (mut total, mut rest) = (0.0, text);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (count, after) = rest.split_at(number);
        let end = after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let millis = match unit {
            "ms" => 1.0,
            "s" => 1_000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            _ => return None,
        };
        total += count.parse::<f64>().ok()? * millis;
        rest = after;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths are small and positive")]
    Some(total.round() as Millis)
}

/// As Go prints a length.
pub(super) fn show(length: Millis) -> String {
    if length < 1_000 {
        return if length == 0 { "0s".to_owned() } else { format!("{length}ms") };
    }
    let (hours, minutes, seconds, millis) =
        (length / 3_600_000, length / 60_000 % 60, length / 1_000 % 60, length % 1_000);
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}").trim_end_matches('0').to_owned() };
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{fraction}s"),
        (0, _) => format!("{minutes}m{seconds}{fraction}s"),
        _ => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_and_written_as_go_does() {
        for (text, length, shown) in [
            ("10m", 600_000, "10m0s"),
            ("1h", 3_600_000, "1h0m0s"),
            ("90s", 90_000, "1m30s"),
            ("1m30s", 90_000, "1m30s"),
            ("1.5s", 1_500, "1.5s"),
            ("500ms", 500, "500ms"),
            ("0s", 0, "0s"),
        ] {
            assert_eq!((parse(text), show(length).as_str()), (Some(length), shown), "{text}");
        }
        for wrong in ["", "m", "10", "10 minutes", "5d"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
