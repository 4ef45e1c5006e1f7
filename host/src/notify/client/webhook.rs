//! A message as a signed POST, by the Standard Webhooks scheme.

use super::letter::Letter;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::fmt;

/// The bytes that messages are signed with. Prints nothing of them.
#[derive(Clone)]
pub(super) struct Key(Vec<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Key {
    /// Reads `whsec_` and base64 of 24 to 64 bytes; none for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_STANDARD
            .decode(text.trim().strip_prefix("whsec_")?)
            .ok()?;
        (24..=64).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The value of `webhook-signature`. `timestamp` is in seconds since 1970.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        // Every length of key is possible for HMAC, so that this cannot fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The value of `webhook-id`.
pub(super) fn id(letter: &Letter) -> String {
    format!("msg_{}", letter.id)
}

/// The body of the request.
pub(super) fn body(letter: &Letter) -> Value {
    let message = &letter.message;
    let fields = message
        .fields
        .iter()
        .map(|field| json!({ "name": field.name, "value": field.value }));
    json!({
        "type": format!("windlass.{}", letter.event),
        "timestamp": letter.at.timestamp().to_string(),
        "data": {
            "run": letter.run.0,
            "procedure": letter.procedure,
            "target": letter.target,
            "event": letter.event,
            "level": letter.level(),
            "title": message.title,
            "text": message.text,
            "fields": fields.collect::<Vec<_>>(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::Key;
    use base64::prelude::BASE64_STANDARD;

    #[test]
    fn a_key_is_long_enough() {
        let key = |bytes: usize| {
            use base64::Engine as _;
            let text = BASE64_STANDARD.encode(vec![7; bytes]);
            Key::parse(&format!("whsec_{text}"))
        };
        assert!(key(24).is_some() && key(64).is_some());
        assert!(key(23).is_none() && key(65).is_none());
        assert!(Key::parse("whsec_").is_none());
        assert!(Key::parse(&"A".repeat(32)).is_none());
    }

    /// The example of the specification.
    #[test]
    fn a_signature_is_as_specified() {
        let key = Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = key.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
