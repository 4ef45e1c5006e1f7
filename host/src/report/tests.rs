use super::*;
use crate::clock::Millis;
use crate::contract::{Level, Verdict};
use crate::journal::golden;
use crate::journal::state::samples::{
    begin, cancel, check, done, end, failed, in_doubt, leftovers, refused, reindex, restore,
    stopped, tune, undo_failed, undoing, undone, unwinding,
};
use crate::journal::{Entry, Outcome, RunId, Stamped};
use crate::text::{is_deceptive, width};

fn stamped(entries: impl IntoIterator<Item = Entry>) -> Vec<Stamped> {
    let stamp = |(seq, entry)| Stamped {
        seq,
        at: Millis(1_763_726_400_000 + seq * 1_500),
        entry,
    };
    (0..).zip(entries).map(stamp).collect()
}

fn report(entries: impl IntoIterator<Item = Entry>) -> Report {
    Report::from(&RunId("251121-k3f".into()), &stamped(entries), false)
}

fn log(level: Level, message: &str) -> Entry {
    Entry::Log {
        level,
        message: message.into(),
    }
}

fn step(name: &str) -> Entry {
    Entry::Step { name: name.into() }
}

#[test]
fn a_success_reads_from_the_answer_to_the_next_command() {
    let report = report([
        begin(),
        step("look"),
        step("repair"),
        reindex(1),
        done(1, None),
        tune(2),
        done(2, None),
        log(Level::Info, "not shown"),
        log(
            Level::Warning,
            "session 4711 keeps 812,000 dead rows from being removed",
        ),
        check("indexes-valid", Verdict::Pass),
        end(Outcome::Succeeded),
    ]);
    assert_eq!(
        report.text(),
        "\
run 251121-k3f succeeded in 15 s: 2 effects, 0 undone, 0 in doubt
  that was it
  pg-optimize@3f3f3f3f 0.1.0 on orders, by alice, 2025-11-21 12:00 UTC

look                           1.5 s
repair                         12 s
  ✓ 1 reindex public.i         86 MB → 31 MB  1.5 s
      undo: not needed: same index, rebuilt
  ✓ 2 set parameters public.t  86 MB → 31 MB  1.5 s
      undo: set autovacuum_vacuum_scale_factor = 0.1

checks
  ✓ indexes-valid: seen

messages
  warning: session 4711 keeps 812,000 dead rows from being removed

next
  windlass undo 251121-k3f  takes back effect 2"
    );
}

/// The headline begins so, and the first thing to do is this.
fn reads(entries: &[Entry], headline: &str, next: Option<&str>) {
    let report = report(entries.iter().cloned());
    let expected = format!("run 251121-k3f {headline}");
    let found = report.headline();
    assert!(found.starts_with(&expected), "{found}");
    let command = next.map(|next| format!("windlass {next} 251121-k3f"));
    let first = report.next.first().map(|next| next.command.clone());
    assert_eq!(first, command);
}

#[test]
fn a_run_without_an_end_tells_how_to_go_on() {
    let resume = Some("resume");
    reads(&[], "has not begun", None);
    reads(&[begin()], "was interrupted: nothing was changed", resume);
    reads(
        &[begin(), tune(1)],
        "is in doubt after 1.5 s: 1 effect, 0 undone, 1 in doubt",
        resume,
    );
    reads(
        &[begin(), tune(1), in_doubt(1)],
        "is in doubt after 3.0 s: 1 effect, 0 undone, 1 in doubt",
        resume,
    );
    reads(&[begin(), stopped()], "stopped after 1.5 s", resume);
    reads(
        &[begin(), unwinding(Outcome::Refused)],
        "was interrupted: nothing was changed",
        resume,
    );
}

#[test]
fn each_end_has_its_sentence() {
    let failed = Outcome::FailedAndUnwound;
    let cancelled = Outcome::CancelledAndUnwound;
    let taking_back = [
        begin(),
        tune(1),
        done(1, None),
        unwinding(failed),
        undoing(1, restore()),
    ];
    reads(
        &[begin(), end(Outcome::Inconclusive)],
        "is inconclusive after 1.5 s",
        None,
    );
    reads(
        &[&taking_back[..], &[undone(1), end(failed)]].concat(),
        "failed after 9.0 s and was taken back: 1 effect, 1 undone",
        None,
    );
    reads(
        &[&taking_back[..], &[undo_failed(1), end(Outcome::Stuck)]].concat(),
        "is stuck after 9.0 s: 1 effect, 0 undone, 0 in doubt, 1 not taken back",
        Some("undo"),
    );
    reads(
        &[begin(), cancel(), unwinding(cancelled), end(cancelled)],
        "was cancelled after 4.5 s: nothing was changed",
        None,
    );
    let refusal = Outcome::Refused;
    reads(
        &[begin(), refused(), unwinding(refusal), end(refusal)],
        "was refused after 4.5 s",
        None,
    );
}

#[test]
fn who_is_stuck_is_told_what_an_undo_would_do() {
    let does = |entries: &[Entry]| report(entries.iter().cloned()).next[0].does.clone();
    assert_eq!(
        does(&[
            begin(),
            tune(1),
            done(1, None),
            reindex(2),
            done(2, Some(leftovers())),
            undoing(2, leftovers()),
            undo_failed(2),
            end(Outcome::Stuck),
        ]),
        "tries to clear away what effect 2 left and to take back effect 1, once the cause is mended"
    );
}

#[test]
fn what_went_wrong_comes_with_its_reason() {
    let report = report([
        begin(),
        refused(),
        reindex(1),
        failed(1, Some(leftovers())),
        undoing(1, leftovers()),
        undone(1),
        check("ok", Verdict::Pass),
        check("lag", Verdict::Inconclusive),
        check("replicas", Verdict::Fail),
    ]);
    let text = report.text();
    for line in [
        "  ✗ 1 reindex public.i  86 MB  1.5 s\n      locked\n      cleared away: 0.1",
        "refused\n  the grant covers schema `sales` only",
        "checks\n  ✗ replicas: seen\n  ? lag: seen\n  ✓ ok: seen",
    ] {
        assert!(text.contains(line), "{line}\n---\n{text}");
    }
    let markdown = report.markdown();
    assert!(markdown.contains("- ``refused: the grant covers schema `sales` only``"));
    assert!(markdown.contains("- look at what check lag could not decide: seen"));
    assert!(markdown.contains("| Rollback | no |"));
}

#[test]
fn times_are_told_in_utc_and_in_the_zone() {
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let report = report([begin(), end(Outcome::Succeeded)]).in_zone(zone);
    let began = "2025-11-21 12:00 UTC (13:00 CET)";
    let text = report.text().replace("\n  ", " ");
    assert!(text.contains(began), "{text}");
    assert!(report.markdown().contains(&format!("| Date | {began} to")));
}

#[test]
fn a_broken_record_is_told_up_to_where_it_breaks() {
    let report = report([begin(), tune(1), tune(2), done(1, None)]);
    assert_eq!(report.effects.len(), 1);
    assert!(
        report
            .text()
            .contains("the record is broken: entry 2, `intended`")
    );
}

#[test]
fn every_kind_of_entry_fits_the_terminal_and_the_documents() {
    for entries in golden::runs() {
        for upto in 0..=entries.len() {
            let report = Report::from(&RunId("251121-k3f".into()), &entries[..upto], false);
            let text = report.text();
            for line in text.lines() {
                assert!(width(line) <= 80, "{line}");
                assert_eq!(line.trim_end(), line);
            }
            assert!(!text.ends_with('\n') && !report.markdown().ends_with('\n'));
            let json = serde_json::to_value(&report).unwrap();
            assert_eq!(json["schema"], SCHEMA);
        }
    }
}

#[test]
fn a_run_that_was_taken_back_in_part_tells_both_times_and_what_was_left_alone() {
    let report = Report::from(&RunId("251121-k3f".into()), &golden::runs()[0], false);
    assert_eq!(report.standing, Standing::TakenBackInPart);
    let headline = report.headline();
    assert!(
        headline.starts_with("run 251121-k3f was taken back in part after ")
            && headline.ends_with(": 4 effects, 0 undone, 0 in doubt, 1 failed, 1 left alone"),
        "{headline}"
    );
    assert!(
        report.took_ms.unwrap() < 600_000,
        "the later undo does not count"
    );
    let markdown = report.markdown();
    for line in [
        "# `pg-optimize@3f3f3f3f` 0.1.0 on orders",
        "| Date | 2025-11-21 12:00 UTC to 2025-11-21 13:05 UTC |",
        "| 1 | drop invalid index | `public.accounts_bid_ccnew` | 214 MB | – | done | not needed: no query can use it | 0.4 s |",
        "| Rollback | yes: 0 of 4 effects taken back, 1 left alone |",
        "- `effect 4: left alone: autovacuum_vacuum_scale_factor was set to 0.05 since`",
    ] {
        assert!(markdown.contains(line), "{line}\n---\n{markdown}");
    }
}

#[test]
fn guests_cannot_paint_link_or_mark_up() {
    let nasty = "\u{1b}[2J\u{202e}x | <script> [a](http://e.example) www.e.example @all `c`\r\n# h";
    let report = report([
        begin(),
        step(nasty),
        log(Level::Error, nasty),
        check(nasty, Verdict::Fail),
        Entry::Panicked {
            message: nasty.into(),
        },
        Entry::Stopped {
            why: nasty.into(),
            diverged: false,
        },
    ]);
    for document in [report.text(), report.markdown()] {
        assert!(
            !document.lines().any(|line| line.contains(is_deceptive)),
            "{document}"
        );
    }
    let markdown = report.markdown();
    assert!(markdown.contains("- `windlass resume 251121-k3f` goes on"));
    // What it is made of is words and code, and all of the trick is within code: see `escape`.
    for line in markdown.lines().filter(|line| line.contains("script")) {
        let code = line.split("``").nth(1).unwrap_or_default();
        assert!(code.contains("<script>") && code.contains("@all"), "{line}");
    }
    assert!(!markdown.contains("\n# h"), "{markdown}");
}

#[test]
fn what_users_saw_is_told_in_each_form_and_only_where_it_was_watched() {
    let turn = |passes, why: &str| {
        Entry::Turned(crate::probe::Turn {
            endpoint: "shop".into(),
            seen: Millis(1_763_726_400_000),
            passes: Some(passes),
            why: why.into(),
        })
    };
    let hit = report([
        begin(),
        turn(false, "it answered 503, not 200"),
        end(Outcome::Succeeded),
    ]);
    let line = "shop: down 3.0 s of 3.0 s, 12:00:00 to 12:00:03: it answered 503, not 200";
    assert!(
        hit.text().contains(&format!("users\n  ✗ {line}")),
        "{}",
        hit.text()
    );
    let markdown = hit.markdown();
    assert!(markdown.contains("## Customer impact"), "{markdown}");
    assert!(markdown.contains("down 3.0 s of 3.0 s"), "{markdown}");
    let json = serde_json::to_value(&hit).unwrap();
    assert_eq!(json["watched"][0]["down-ms"], 3_000);
    let quiet = report([begin(), end(Outcome::Succeeded)]);
    assert!(!quiet.markdown().contains("Customer impact"));
    assert!(!quiet.text().contains("users"));
    let json = serde_json::to_value(&quiet).unwrap();
    assert!(json.get("watched").is_none());
}
