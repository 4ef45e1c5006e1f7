//! The server that a caller gets who does not care which.

use super::{Binaries, Error, Options, Server, connect, given, with_database};

/// The server that `DATABASE_URL` names, else one of our own.
#[derive(Debug)]
pub enum Instance {
    /// Somebody's server: databases are made on it, and nothing else is touched.
    Given(String),
    /// Ours, gone with this value.
    Started(Box<Server>),
}

impl Instance {
    /// Takes the given one, or starts one of any supported version.
    pub fn obtain(options: &Options) -> Result<Self, Error> {
        match Self::given()? {
            Some(given) => Ok(given),
            None => Self::start(&Binaries::find()?, options),
        }
    }

    /// The one that `DATABASE_URL` names.
    pub fn given() -> Result<Option<Self>, Error> {
        match std::env::var("DATABASE_URL") {
            Ok(url) if !url.is_empty() => {
                with_database(&url, "postgres")?;
                Ok(Some(Self::Given(url)))
            }
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Starts one of our own.
    pub fn start(binaries: &Binaries, options: &Options) -> Result<Self, Error> {
        Ok(Self::Started(Box::new(Server::start(binaries, options)?)))
    }

    /// The URL for making databases.
    pub fn admin_url(&self) -> String {
        match self {
            Self::Given(url) => url.clone(),
            Self::Started(server) => server.admin_url(),
        }
    }

    /// The URL of another database, for the same user.
    pub fn url(&self, database: &str) -> Result<String, Error> {
        with_database(&self.admin_url(), database)
    }

    /// The server, where it is ours.
    pub fn server(&self) -> Option<&Server> {
        match self {
            Self::Given(_) => None,
            Self::Started(server) => Some(server),
        }
    }

    /// The server, where it is ours, to be stopped and started.
    pub fn server_mut(&mut self) -> Option<&mut Server> {
        match self {
            Self::Given(_) => None,
            Self::Started(server) => Some(server),
        }
    }

    /// The major version that is running, if the suite can use the server. One of ours serves.
    pub fn check(&self) -> Result<u32, Error> {
        match self {
            Self::Given(url) => given::check(url),
            Self::Started(server) => Ok(server.version().major),
        }
    }

    /// The major version that is running.
    pub fn major(&self) -> Result<u32, Error> {
        match self {
            Self::Given(url) => {
                let sql = "SELECT current_setting('server_version_num')::integer / 10000";
                let major: i32 = connect(url)?.query_one(sql, &[])?.get(0);
                Ok(major.unsigned_abs())
            }
            Self::Started(server) => Ok(server.version().major),
        }
    }
}
