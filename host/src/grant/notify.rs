//! What a scope of channels lacks of a need. Pure.

use super::cover::{Lack, Lacking, Missing, Nearest, meet, nearest};
use super::file::GrantFile;
use super::{Capabilities, Pattern};
use crate::notify::Scope;

/// Every event on every channel that is needed and not granted.
pub(super) fn missing(needs: &Capabilities, files: &[GrantFile]) -> Vec<Missing> {
    let mut missing = Vec::new();
    for need in &needs.notify {
        for channel in &need.channels {
            for event in &need.events {
                if let Err(nearest) = told(channel, event, files) {
                    missing.push(Missing {
                        what: Lacking::Notify {
                            event: event.clone(),
                            channel: channel.clone(),
                        },
                        reason: need.reason.clone(),
                        nearest,
                    });
                }
            }
        }
    }
    missing
}

fn told(channel: &Pattern, event: &Pattern, files: &[GrantFile]) -> Result<(), Option<Nearest>> {
    let lack = |scope: &Scope| {
        let covers = Pattern::covers;
        if !meet(std::slice::from_ref(channel), &scope.channels, covers) {
            Some(Lack::Channel)
        } else if !meet(std::slice::from_ref(event), &scope.events, covers) {
            Some(Lack::Events)
        } else {
            None
        }
    };
    nearest(files, &Lack::Channel, |file| {
        let scopes = file.channels.iter();
        let lacks = scopes.map(|(line, scope)| (*line, lack(scope)));
        lacks.collect()
    })
}
