//! LOCAL
mod room_database;
