//! stub
/// stub
pub struct Client;
