//! Sizes as Kubernetes writes them (k8s.io/apimachinery `pkg/api/resource`).

const UNITS: [(&str, u64); 12] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000),
    ("", 1),
];
const GIB: u64 = 1 << 30;

/// The bytes of `5Gi`, `1.5G` or `1048576`; zero for what is no size.
pub(in crate::kubernetes) fn bytes(text: &str) -> u64 {
    let found = UNITS.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let Some((number, size)) = found else { return 0 };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let Ok(whole) = whole.parse::<u64>() else { return 0 };
    // Nobody writes more than nine digits behind the point of a size.
    let part = &part[..part.len().min(9)];
    let scale = 10_u128.pow(u32::try_from(part.len()).unwrap_or_default());
    let fraction = u128::from(size) * part.parse::<u128>().unwrap_or_default() / scale;
    whole.saturating_mul(size).saturating_add(u64::try_from(fraction).unwrap_or(u64::MAX))
}

/// As many whole `Gi` as hold so many bytes, at least one: `5Gi`.
pub(in crate::kubernetes) fn whole_gib(bytes: u64) -> String {
    format!("{}Gi", bytes.div_ceil(GIB).max(1))
}

#[cfg(test)]
mod tests {
    use super::{bytes, whole_gib};

    #[test]
    fn sizes_are_read() {
        let cases = [
            ("5Gi", 5 << 30),
            ("512Mi", 512 << 20),
            ("1.5Gi", 3 << 29),
            ("2G", 2_000_000_000),
            ("1024", 1024),
            ("x", 0),
        ];
        for (text, size) in cases {
            assert_eq!(bytes(text), size, "{text}");
        }
        assert_eq!(whole_gib(bytes("100Mi")), "1Gi");
        assert_eq!(whole_gib(bytes("5Gi") + 1), "6Gi");
    }
}
