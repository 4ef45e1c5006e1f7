//! stub
/// stub
pub struct State;
/// stub
pub struct Phase;
/// stub
pub struct EffectState;
