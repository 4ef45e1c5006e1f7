//! Samples, their medians, and what they should be.

use std::time::{Duration, Instant};

/// What was measured so far.
pub(crate) struct Figures {
    words: Vec<String>,
    samples: Option<usize>,
    rows: Vec<[String; 4]>,
}

impl Figures {
    /// As divan has it: `--sample-count N`, and words that choose. Without `--bench`, which `cargo bench` says, each figure is taken once, to
    /// see that it can be.
    pub(crate) fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Self {
        let (mut words, mut samples, mut once) = (Vec::new(), None, true);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--sample-count" => samples = arguments.next().and_then(|text| text.parse().ok()),
                "--bench" => once = false,
                word => words.push(word.to_owned()),
            }
        }
        if once {
            samples = Some(1);
        }
        let rows = Vec::new();
        Self {
            words,
            samples,
            rows,
        }
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word))
    }

    /// How many samples to take, where so many are usual.
    pub(crate) fn samples(&self, usual: usize) -> usize {
        self.samples.unwrap_or(usual).max(1)
    }

    /// Adds a figure. Samples are in the unit.
    pub(crate) fn add(&mut self, name: &str, target: Target, unit: &str, samples: &[f64]) {
        let Spread { low, median, high } = Spread::of(samples);
        let met = match target {
            Target::AtMost(most) => verdict(median <= most, &format!("≤ {most} {unit}")),
            Target::AtLeast(least) => verdict(median >= least, &format!("≥ {least} {unit}")),
            Target::None => ["–".into(), String::new()],
        };
        let [wanted, met] = met;
        println!("{name}: {median:.2} {unit} ({low:.2} … {high:.2}) {met}");
        let measured = format!("{median:.2} {unit} ({low:.2} … {high:.2})");
        self.rows.push([name.to_owned(), wanted, measured, met]);
    }

    pub(crate) fn print(&self) {
        println!("\n| figure | target | median (lowest … highest) | |\n|---|---|---|---|");
        for [name, wanted, measured, met] in &self.rows {
            println!("| {name} | {wanted} | {measured} | {met} |");
        }
    }
}

fn verdict(met: bool, wanted: &str) -> [String; 2] {
    [
        wanted.to_owned(),
        if met { "met" } else { "missed" }.to_owned(),
    ]
}

/// What a median should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// It stands beside another one.
    None,
}

struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    fn of(samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Self {
            low: sorted[0],
            median,
            high: sorted[sorted.len() - 1],
        }
    }
}

pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

/// Sample by sample: how often the other goes into the one.
pub(crate) fn ratios(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter()
        .zip(other)
        .map(|(one, other)| one / other)
        .collect()
}
