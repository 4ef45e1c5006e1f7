//! Amounts as Kubernetes writes them: `500m`, `1.5Gi`, `2e3`. Pure.

use std::fmt;
use std::ops::Add;

/// Parts of one that are told apart, as Kubernetes does.
const NANO: i128 = 1_000_000_000;
/// Units of powers of two, the largest first.
const BINARY: [(&str, u32); 6] = [
    ("Ei", 60),
    ("Pi", 50),
    ("Ti", 40),
    ("Gi", 30),
    ("Mi", 20),
    ("Ki", 10),
];
/// Units of powers of ten; each is so many times a nano.
const DECIMAL: [(&str, u32); 9] = [
    ("n", 0),
    ("u", 3),
    ("m", 6),
    ("k", 12),
    ("M", 15),
    ("G", 18),
    ("T", 21),
    ("P", 24),
    ("E", 27),
];

/// An amount, exact to a nano.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

impl Quantity {
    /// So many whole ones.
    pub fn whole(count: u64) -> Self {
        Self(i128::from(count) * NANO)
    }

    /// Reads what a manifest says; none if that is no amount, or more than anybody has.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text
            .find(|c: char| !c.is_ascii_digit() && !"+-.".contains(c))
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let factor = factor(unit)?;
        let (sign, number) = match number.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{part}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
        let amount = digits.parse::<i128>().ok()?.checked_mul(factor)?;
        // What is less than a nano counts as one.
        let rounded = (amount.checked_add(scale - 1)?) / scale;
        Some(Self(sign * rounded))
    }

    /// So many times.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(i128::from(count)))
    }

    /// Without that, and not below zero.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }
}

/// How many nanos one of a unit is.
fn factor(unit: &str) -> Option<i128> {
    if unit.is_empty() {
        return Some(NANO);
    }
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == unit) {
        return Some(NANO << power);
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == unit) {
        return 10_i128.checked_pow(*power);
    }
    let exponent = unit.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?;
    10_i128.checked_pow(u32::try_from(exponent.checked_add(9)?).ok()?)
}

impl Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// In the largest binary unit that it is a whole number of, else in ones, else in thousandths.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % NANO != 0 {
            return write!(f, "{}m", (self.0 * 1_000).div_euclid(NANO));
        }
        let ones = self.0 / NANO;
        let fits = |(_, power): &&(&str, u32)| ones != 0 && ones % (1 << power) == 0;
        match BINARY.iter().find(fits) {
            Some((unit, power)) => write!(f, "{}{unit}", ones >> power),
            None => write!(f, "{ones}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn amounts_are_read_and_written() {
        for (text, shown) in [
            ("500m", "500m"),
            ("1.5", "1500m"),
            ("2", "2"),
            ("2e3", "2000"),
            ("512Mi", "512Mi"),
            ("1.5Gi", "1536Mi"),
            ("1073741824", "1Gi"),
            ("1M", "1000000"),
            ("100u", "0m"),
        ] {
            assert_eq!(Quantity::parse(text).unwrap().to_string(), shown, "{text}");
        }
        for text in ["", "Mi", "1 Gi", "1.2.3", "one", "1K", "1e", "1e99", "-"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn amounts_are_compared_and_counted() {
        let of = |text| Quantity::parse(text).unwrap();
        assert!(of("1Gi") > of("1G") && of("1000m") == of("1") && of("1E") == of("1e18"));
        assert_eq!(of("250m").times(4) + of("1"), of("2"));
        assert_eq!(of("1").without(of("2")), Quantity::default());
    }
}
