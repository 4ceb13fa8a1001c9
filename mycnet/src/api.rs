//! The interface of a running node: HTTP/1.1 with JSON, over a Unix domain socket in its directory, and over TCP on this machine if the
//! settings name an address.
//!
//! The command, pages, scripts and programs in other languages ask the same questions by the same paths ([`route`]).
//!
//! Whoever can open the socket is the node's owner: the directory and the socket are its owner's alone, and on top of that the user who
//! connects must be the owner. Over TCP a request carries the token that is in the directory, and comes from no page of another origin
//! ([`gate`]). The node bounds everything that comes in: a script that goes wrong must not stop it.

use std::path::Path;

use anyhow::bail;

pub(crate) mod events;
#[cfg(unix)]
mod metrics;
pub(crate) mod openapi;
pub(crate) mod route;

#[cfg(unix)]
mod ask;
#[cfg(unix)]
pub(crate) mod follow;
#[cfg(unix)]
mod gate;
#[cfg(unix)]
mod page;
#[cfg(unix)]
mod reply;
#[cfg(unix)]
mod server;

#[cfg(unix)]
pub(crate) use self::ask::{ask, is_answered};
#[cfg(unix)]
pub(crate) use self::server::Control;

/// The longest path of a socket, in bytes: the narrowest system allows 104 with the final zero.
const PATH_BYTES_MAX: usize = 103;

/// Refuses a path that is too long for a socket. The system's own message would say less.
pub(crate) fn check_path(path: &Path) -> anyhow::Result<()> {
    let length = path.as_os_str().len();
    if length > PATH_BYTES_MAX {
        bail!(
            "{}: a socket's path has at most {PATH_BYTES_MAX} bytes, and this one has {length}: choose a shorter --dir",
            path.display()
        );
    }
    Ok(())
}

/// Other systems have no sockets that only their owner can open.
#[cfg(not(unix))]
mod none {
    use std::sync::Arc;

    use anyhow::bail;
    use mycnet_consensus::node::Node;
    use serde_json::Value;
    use tokio::sync::{Notify, broadcast};

    use crate::builds::Keeper;
    use crate::failure::Failure;
    use crate::home::Home;
    use crate::request::Request;
    use crate::settings::Settings;

    #[derive(Debug)]
    pub(crate) struct Control;

    impl Control {
        pub(crate) async fn bind(_: &Home, _: &Settings) -> anyhow::Result<Self> {
            bail!(
                "a running node answers its owner over a Unix domain socket, which this system does not have; every other \
                 command works here, `mycnet run` does not"
            )
        }

        pub(crate) async fn serve(
            &self,
            _: &Node,
            _: &Arc<Keeper>,
            _: &broadcast::Sender<Arc<Value>>,
            _: &Notify,
        ) {
            std::future::pending().await
        }

        pub(crate) fn address(&self) -> Option<std::net::SocketAddr> {
            None
        }
    }

    pub(crate) async fn is_answered(_: &Home) -> anyhow::Result<bool> {
        Ok(false)
    }

    pub(crate) async fn ask(_: &Home, _: &Request) -> Result<Value, Failure> {
        Err(Failure::failed("no node can be running on this system"))
    }
}

#[cfg(not(unix))]
pub(crate) use self::none::{Control, ask, is_answered};
