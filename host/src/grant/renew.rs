//! A grant file carried over to another version of its component. Pure.

use super::GrantFile;
use super::file::{Raw, formerly};
use crate::document::{Document, DocumentError};

impl GrantFile {
    /// The text of a file for another version of the component, which the digest tells. Nothing else of it changes.
    pub fn renewed(
        name: &str,
        text: &str,
        version: &str,
        digest: &str,
    ) -> Result<String, DocumentError> {
        let raw: Raw = Document::new(name, text).parse()?;
        let mut known = raw.formerly.clone().map(formerly).unwrap_or_default();
        known.retain(|known| known != raw.digest.get_ref() && known != digest);
        known.push(raw.digest.get_ref().clone());
        let known: Vec<_> = known.iter().map(|known| format!("\"{known}\"")).collect();
        let known = format!("[{}]", known.join(", "));
        let mut edits = vec![(raw.digest.span(), format!("\"{digest}\""))];
        edits.extend(
            raw.version
                .map(|old| (old.span(), format!("\"{version}\""))),
        );
        let end = raw.digest.span().end;
        edits.push(match &raw.formerly {
            Some(formerly) => (formerly.span(), known),
            None => (end..end, format!("\nformerly = {known}")),
        });
        // The last first, so that places stay; of two at one place the one that adds.
        edits.sort_by_key(|(place, _)| std::cmp::Reverse((place.end, place.start)));
        let mut text = text.to_owned();
        for (place, new) in edits {
            text.replace_range(place, &new);
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use crate::grant::GrantFile;
    use crate::grant::file::tests::text;

    #[test]
    fn a_renewed_grant_is_for_another_digest_and_says_the_same() {
        let old = text('a', "2027-02-01T00:00:00Z").replace("[budget]", "# as agreed\n[budget]");
        let digest = |digit: char| format!("sha256:{}", digit.to_string().repeat(64));
        let once = GrantFile::renewed("a", &old, "0.2.0", &digest('b')).unwrap();
        let twice = GrantFile::renewed("a", &once, "0.3.0", &digest('c')).unwrap();
        let read = |text: &str| GrantFile::parse("a", text).unwrap();
        let (old_file, file) = (read(&old), read(&twice));
        assert_eq!(file.digest, digest('c'));
        assert_eq!(file.version.as_deref(), Some("0.3.0"));
        assert_eq!(file.formerly, [digest('a'), digest('b')]);
        assert_eq!(file.capabilities(), old_file.capabilities());
        assert_eq!(file.budget, old_file.budget);
        assert!(twice.contains("# as agreed\n"), "{twice}");
        let back = GrantFile::renewed("a", &twice, "0.1.0", &digest('a')).unwrap();
        assert_eq!(read(&back).formerly, [digest('b'), digest('c')]);
    }
}
