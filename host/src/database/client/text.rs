//! Amounts as people read them in plans and reports. Pure.

/// Bytes in the units that PostgreSQL itself prints: "86 MB", "1.2 GB".
pub(super) fn bytes(amount: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let mut unit = 0;
    let mut tenths = u128::from(amount) * 10;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let whole = (tenths + 5) / 10;
    if unit >= 3 && tenths < 100 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{whole} {}", UNITS[unit])
    }
}

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
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(8192), "8 kB");
        assert_eq!(bytes(90_177_536), "86 MB");
        assert_eq!(bytes(1_288_490_189), "1.2 GB");
        assert_eq!(bytes(u64::MAX), "16777216 TB");
        assert_eq!(rows(9_999), "9999");
        assert_eq!(rows(886_123), "886 k");
        assert_eq!(rows(12_345_678), "12 M");
        assert_eq!(span(42 * 60 + 5), "42 min");
        assert_eq!(span(7), "7 s");
    }
}
