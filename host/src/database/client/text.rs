//! Amounts as people read them in plans and reports. Pure.

pub(super) use crate::text::bytes;

/// Rows, shortened: "950", "886 k", "12 M".
pub(super) fn rows(amount: u64) -> String {
    match amount {
        0..10_000 => amount.to_string(),
        10_000..10_000_000 => format!("{} k", (amount + 500) / 1_000),
        _ => format!("{} M", amount / 1_000_000),
    }
}

/// A span of time in its largest unit: "42 min".
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_well() {
        assert_eq!(rows(9_999), "9999");
        assert_eq!(rows(886_123), "886 k");
        assert_eq!(rows(12_345_678), "12 M");
        assert_eq!(span(42 * 60 + 5), "42 min");
        assert_eq!(span(7), "7 s");
    }
}
