//! What `mycnet builds` keeps in a node's directory beside its databases.

use std::path::PathBuf;

use mycnet_consensus::engine::new_identity;

use super::Home;
use super::private::{is_there, read_secret, write_secret};

impl Home {
    /// The secret behind the keys with which this node attests what its ledger says of others. It is made when it is needed first.
    pub(crate) fn attestation_secret(&self) -> anyhow::Result<[u8; 32]> {
        let path = self.present().join("attestation.key");
        if !is_there(&path)? {
            write_secret(&path, &new_identity()?.secret())?;
        }
        read_secret(&path)
    }

    /// What `builds sync` remembers of the rebuilderds that it reads.
    pub(crate) fn sync_file(&self) -> PathBuf {
        self.present().join("builds-sync.json")
    }
}
