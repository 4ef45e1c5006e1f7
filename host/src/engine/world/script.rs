//! A procedure that is a list of steps, behind the same gate as a component.

use super::super::gate::Gate;
use super::super::guest::{Brief, Guest};
use super::super::limits::Limits;
#[cfg(feature = "testing")]
use super::super::sandbox::Sandboxed;
use super::super::sandbox::{Ended, Guests, SandboxError, classify};
use super::super::turn::Overseer;
use super::TARGET;
use super::schedule::{End, Script, Step};
use super::target::{PASSES_AFTER, SETTING, table_name};
use crate::call::{Effect, Read};
use crate::contract::database_types::ObjectName;
use crate::contract::run::Host as _;
use crate::contract::{CallError, Verdict};
use crate::database;
use crate::plugin;
use crate::probe;
use futures_util::future::BoxFuture;
use serde_json::Value;
use wasmtime::Trap;

impl Guests for Script {
    fn ready(&self, _plugin: &plugin::Component) -> Result<(), SandboxError> {
        Ok(())
    }

    fn run<'a>(
        &'a self,
        _plugin: &'a plugin::Component,
        gate: Gate,
        brief: Brief,
    ) -> BoxFuture<'a, Result<(Ended, Gate), SandboxError>> {
        Box::pin(async move {
            let overseer = Overseer::of(&gate);
            let mut guest = Guest::new(gate, Limits::default(), brief);
            let result = tokio::select! {
                biased;
                result = self.play(&mut guest) => result,
                (halt, _turn) = overseer.end() => Err(halt.into()),
            };
            let ended = match result {
                Ok(returned) => Ended::Returned(returned),
                Err(error) => classify(error, &guest),
            };
            Ok((ended, guest.into_gate()))
        })
    }

    #[cfg(feature = "testing")]
    fn sandboxed(&self) -> Option<&Sandboxed> {
        None
    }
}

impl Script {
    async fn play(&self, guest: &mut Guest) -> wasmtime::Result<Result<String, String>> {
        for act in &self.acts {
            if let Err(error) = act.step.play(guest).await?
                && !act.swallows
            {
                return Ok(Err(error.message));
            }
        }
        match self.end {
            End::Well => Ok(Ok("done".into())),
            End::WithAnError => Ok(Err("it did not work".into())),
            End::Panics => {
                guest.panicked("lost".into()).await?;
                Err(Trap::UnreachableCodeReached.into())
            }
        }
    }
}

impl Step {
    async fn play(self, guest: &mut Guest) -> wasmtime::Result<Result<(), CallError>> {
        let verdict = match self {
            Self::SetIfSet { table, value } => {
                let read = Read::Database(database::Read::Tables {
                    database: TARGET.into(),
                });
                let set = match guest.gate().read::<Vec<String>>(read).await? {
                    Ok(set) => set,
                    Err(error) => return Ok(Err(error)),
                };
                if !set.contains(&table_name((table + 1) % 3)) {
                    return Ok(Ok(()));
                }
                return effect(guest, self.effect(table, value)).await;
            }
            Self::Set { table, value } => {
                return effect(guest, self.effect(table, value)).await;
            }
            Self::Rebuild { index: n }
            | Self::Vacuum { table: n }
            | Self::End { session: n }
            | Self::Drop { index: n } => return effect(guest, self.effect(n, 0)).await,
            Self::Forbidden => return effect(guest, self.effect(0, 0)).await,
            Self::Look => {
                let read = Read::Database(database::Read::Tables {
                    database: TARGET.into(),
                });
                return Ok(guest.gate().read::<Value>(read).await?.map(drop));
            }
            Self::Await { seconds } => {
                let read = Read::Probe(probe::Read {
                    endpoint: "shop".into(),
                    look: probe::Look::AwaitStatus {
                        status: PASSES_AFTER + u16::from(seconds),
                        times: 1,
                        every: 1000,
                        within: 10_000,
                    },
                });
                return Ok(guest.gate().read::<Value>(read).await?.map(drop));
            }
            Self::Sleep { seconds } => return guest.sleep(u64::from(seconds) * 1000).await,
            Self::Pass => Verdict::Pass,
            Self::Fail => Verdict::Fail,
            Self::Unsure => Verdict::Inconclusive,
        };
        guest.check("c".into(), verdict, "seen".into()).await?;
        Ok(Ok(()))
    }

    fn effect(self, number: u8, value: u8) -> database::Effect {
        let database = || TARGET.to_owned();
        let object = |schema: &str, name: String| ObjectName {
            schema: schema.into(),
            name,
        };
        match self {
            Self::Rebuild { .. } => database::Effect::Reindex {
                database: database(),
                index: object("public", format!("i{number}")),
            },
            Self::Vacuum { .. } => database::Effect::Vacuum {
                database: database(),
                table: object("public", table_name(number)),
                analyze: false,
            },
            Self::End { .. } => database::Effect::CancelBackend {
                database: database(),
                pid: u32::from(number) + 1,
                backend_start: 1,
            },
            Self::Drop { .. } => database::Effect::DropInvalidIndex {
                database: database(),
                index: object("public", format!("d{number}")),
            },
            Self::Forbidden => database::Effect::Analyze {
                database: database(),
                table: object("secret", "t".into()),
            },
            Self::Set { .. }
            | Self::SetIfSet { .. }
            | Self::Look
            | Self::Await { .. }
            | Self::Sleep { .. }
            | Self::Pass
            | Self::Fail
            | Self::Unsure => database::Effect::SetParameters {
                database: database(),
                table: object("public", table_name(number)),
                parameters: vec![(SETTING.into(), Some(format!("0.{value}")))],
            },
        }
    }
}

async fn effect(
    guest: &mut Guest,
    effect: database::Effect,
) -> wasmtime::Result<Result<(), CallError>> {
    let effect = Effect::Database(effect);
    Ok(guest.gate().effect::<Value>(effect).await?.map(drop))
}
