//! What a guest instance carries in its store, and what `wit/procedure.wit` promises about `run`.

use super::control::Progress;
use super::gate::Gate;
use super::halt::Halt;
use super::limits::Limits;
use super::replay::Answer;
use crate::clock::Millis;
use crate::contract::{self, CallError, ErrorKind, Level, Verdict};
use crate::grant::Side;
use crate::journal::{Ask, Call, Entry, Store, Whose};
use serde_json::Value;
use std::time::Duration;
use wasmtime::Trap;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// Longest message that is kept, in bytes; the rest is cut with a marker.
const MESSAGE_BYTES: usize = 4096;
/// Most random bytes at once.
const RANDOM_BYTES: u32 = 1024;
/// Longest value that can be remembered, in bytes.
const REMEMBERED_BYTES: usize = 1 << 20;
/// All that one run can have remembered, in bytes.
const REMEMBERED_IN_ALL: usize = 16 << 20;

/// The data of one guest's store.
pub(crate) struct Guest {
    gate: Gate,
    pub(super) limits: Limits,
    pub(super) brief: Brief,
    pub(super) panic: Option<String>,
    remembered: usize,
    pub(super) table: ResourceTable,
    /// Made when it is first asked for: most components have no use for one.
    wasi: Option<WasiCtx>,
}

/// What a guest is told about its run.
pub(super) struct Brief {
    pub(super) procedure: String,
    pub(super) target: String,
    /// Digests of the components whose memory it shares.
    pub(super) lineage: Vec<String>,
    /// A JSON object.
    pub(super) parameters: String,
    pub(super) began: Millis,
    /// Where a plan looks up what earlier runs remembered.
    pub(super) memory: Option<Store>,
}

impl Guest {
    pub(super) fn new(gate: Gate, limits: Limits, brief: Brief) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(super::limits::HANDLES);
        Self {
            gate,
            limits,
            brief,
            panic: None,
            remembered: 0,
            table,
            wasi: None,
        }
    }

    /// The only way to the outside.
    pub(crate) fn gate(&mut self) -> &mut Gate {
        self.limits.called();
        &mut self.gate
    }

    pub(super) fn into_gate(self) -> Gate {
        self.gate
    }

    /// Records something the guest said, unless it is already recorded or too much.
    async fn remark(&mut self, remark: Entry) -> wasmtime::Result<()> {
        let _turn = self.gate.turn.take().await;
        let Some(entry) = self.gate.remarks.admit(remark)? else {
            return Ok(());
        };
        let gate = self.gate();
        if !gate.replay.remark(&entry)? {
            gate.ledger.append(entry).await?;
        }
        Ok(())
    }

    /// A question to the host itself: answered from the past, or by `answer`.
    async fn ask(&mut self, ask: Ask) -> wasmtime::Result<Answer> {
        let _turn = self.gate.turn.take().await;
        let (ask, too_large) = self.fitted(ask);
        let gate = self.gate();
        gate.calls += 1;
        let call = Call::Ask(ask.clone());
        if let Some(answer) = gate.replay.call(&call)? {
            return Ok(answer);
        }
        gate.safe_point()?;
        let beyond = too_large.or_else(|| gate.budget_refuses(|| "a question to the host".into()));
        if let Some(error) = beyond {
            let line = ask.name().to_owned();
            return Ok(gate.refuse(line, &call, Side::Budget, error, None).await?);
        }
        let answer = match gate.injected() {
            Some(error) => Err(error),
            None => self.answer(ask).await?,
        };
        self.gate
            .ledger
            .append(Entry::Observed {
                call,
                answer: answer.clone(),
            })
            .await?;
        Ok(answer)
    }

    /// The question as it is recorded, and why it is refused. What is too large to be kept is not recorded either.
    fn fitted(&mut self, ask: Ask) -> (Ask, Option<CallError>) {
        match ask {
            Ask::Remember { key, value } => {
                let all = self.remembered.saturating_add(key.len() + value.len());
                let fits = value.len() <= REMEMBERED_BYTES && all <= REMEMBERED_IN_ALL;
                if fits && key.len() <= MESSAGE_BYTES {
                    self.remembered = all;
                    return (Ask::Remember { key, value }, None);
                }
                let (key, value) = (cut(key), String::new());
                let error = too_large(&format!("what is to be remembered as `{key}`"));
                (Ask::Remember { key, value }, Some(error))
            }
            Ask::Recall { key } if key.len() > MESSAGE_BYTES => {
                let error = too_large("the key of what is to be recalled");
                (Ask::Recall { key: cut(key) }, Some(error))
            }
            Ask::Now | Ask::Random { .. } | Ask::Sleep { .. } | Ask::Recall { .. } => (ask, None),
        }
    }

    async fn answer(&mut self, ask: Ask) -> Result<Answer, Halt> {
        match ask {
            Ask::Now => Ok(Ok(self.gate.clock.now().0.into())),
            Ask::Random { length } => random(length),
            Ask::Sleep { milliseconds } => self.sleep_durably(milliseconds).await.map(Ok),
            Ask::Remember { .. } => Ok(Ok(Value::Null)),
            Ask::Recall { key } => {
                let brief = &self.brief;
                let whose = Whose {
                    procedure: &brief.procedure,
                    digests: &brief.lineage,
                    target: &brief.target,
                };
                let found = self
                    .gate
                    .ledger
                    .recall(brief.memory.as_ref(), whose, &key)?;
                Ok(Ok(found.map_or(Value::Null, Value::from)))
            }
        }
    }

    /// Waits, or waits the rest of what a crash broke off. A stop or a cancellation ends the wait at once.
    async fn sleep_durably(&mut self, milliseconds: u64) -> Result<Value, Halt> {
        let gate = &mut self.gate;
        if gate.ledger.is_plan() {
            return Ok(Value::Null);
        }
        let now = gate.clock.now();
        let until = if let Some(until) = gate.replay.take_sleep() {
            until
        } else {
            let until = Millis(now.0.saturating_add(milliseconds));
            gate.ledger.append(Entry::Waiting { until }).await?;
            until
        };
        while gate.clock.now() < until {
            let rest = Duration::from_millis(until.since(gate.clock.now()));
            let slice = rest.min(Duration::from_millis(250));
            tokio::select! {
                () = tokio::time::sleep(slice) => {}
                () = gate.control.wanted() => {}
            }
            gate.ledger.catch_up()?;
            gate.safe_point()?;
        }
        Ok(Value::Null)
    }
}

fn random(length: u32) -> Result<Answer, Halt> {
    let mut bytes = vec![0; length.min(RANDOM_BYTES) as usize];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    match filled {
        Ok(_) => Ok(Ok(bytes.into())),
        Err(error) => Err(Halt::Internal(format!("no random bytes: {error}"))),
    }
}

fn too_large(what: &str) -> CallError {
    CallError::new(ErrorKind::Limit, format!("{what} is too large"))
}

/// Cuts a guest's text to what is kept.
fn cut(mut text: String) -> String {
    if text.len() > MESSAGE_BYTES {
        let end = text.floor_char_boundary(MESSAGE_BYTES);
        text.truncate(end);
        text.push_str(" … (cut)");
    }
    text
}

impl contract::types::Host for Guest {}

impl contract::run::Host for Guest {
    async fn parameters(&mut self) -> wasmtime::Result<String> {
        Ok(self.brief.parameters.clone())
    }

    async fn target(&mut self) -> wasmtime::Result<String> {
        Ok(self.brief.target.clone())
    }

    async fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.remark(Entry::Log {
            level,
            message: cut(message),
        })
        .await
    }

    async fn step(&mut self, name: String) -> wasmtime::Result<()> {
        self.remark(Entry::Step { name: cut(name) }).await
    }

    async fn progress(&mut self, done: u64, total: u64, what: String) -> wasmtime::Result<()> {
        self.gate.show_step(Progress {
            phase: cut(what),
            done,
            total,
            notice: false,
        });
        Ok(())
    }

    async fn check(
        &mut self,
        name: String,
        verdict: Verdict,
        evidence: String,
    ) -> wasmtime::Result<()> {
        let (name, evidence) = (cut(name), cut(evidence));
        self.remark(Entry::Check {
            name,
            verdict,
            evidence,
        })
        .await
    }

    async fn sleep(&mut self, milliseconds: u64) -> wasmtime::Result<Result<(), CallError>> {
        Ok(self.ask(Ask::Sleep { milliseconds }).await?.map(drop))
    }

    async fn now(&mut self) -> wasmtime::Result<u64> {
        match self.ask(Ask::Now).await? {
            Ok(value) => value
                .as_u64()
                .ok_or_else(|| Halt::Internal("a time is no number".into()).into()),
            Err(error) => Err(refused_to_host(error)),
        }
    }

    async fn random(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        match self.ask(Ask::Random { length }).await? {
            Ok(value) => Ok(serde_json::from_value(value)?),
            Err(error) => Err(refused_to_host(error)),
        }
    }

    async fn remember(
        &mut self,
        key: String,
        value: String,
    ) -> wasmtime::Result<Result<(), CallError>> {
        Ok(self.ask(Ask::Remember { key, value }).await?.map(drop))
    }

    async fn recall(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, CallError>> {
        match self.ask(Ask::Recall { key }).await? {
            Ok(value) => Ok(Ok(serde_json::from_value(value)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn panicked(&mut self, message: String) -> wasmtime::Result<()> {
        // Who panicked has nothing more to say.
        if self.panic.is_some() {
            return Err(Trap::UnreachableCodeReached.into());
        }
        let message = cut(message);
        self.panic = Some(message.clone());
        self.remark(Entry::Panicked { message }).await
    }
}

/// `now` and `random` have no error of their own, so a budget that is used up ends the guest.
fn refused_to_host(error: CallError) -> wasmtime::Error {
    wasmtime::Error::from(Halt::Refused(error.message))
}

impl wasmtime_wasi_io::IoView for Guest {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: self.wasi.get_or_insert_with(|| {
                super::wasi::context(&self.brief.procedure, self.brief.began)
            }),
            table: &mut self.table,
        }
    }
}
