//! Writing a bundle.

use std::io::{BufWriter, Write};
use std::sync::Arc;

use serde_bytes::ByteBuf;

use super::super::BFTConsensusEngine;
use super::{BundleError, BundleReport};
use crate::base::codec;
use crate::base::digest::{NetworkId, RecordId};
use crate::core::Core;
use crate::exchange::bundle::{Encoder, Header, Kind, Proposal};
use crate::past::archive::{Archive, ArchiveError};
use crate::statement::record::{Statement, Verified};
use crate::statement::seal::SealedBlock;

impl BFTConsensusEngine {
    /// Writes the data that another node lacks if it has everything below `from_height`: the sealed blocks from that height
    /// on, and everything unsealed, including votes on the next seal. The height 1 writes everything; a future height writes
    /// only the unsealed part.
    ///
    /// Blocks are read one by one between the node's other work. Writing blocks the calling thread.
    ///
    /// # Errors
    ///
    /// [`BundleError::Io`] if writing fails, [`BundleError::Engine`] if the archive cannot be read. Then the output is not a
    /// bundle.
    pub fn export_bundle(
        &self,
        from_height: u64,
        write: &mut impl Write,
    ) -> Result<BundleReport, BundleError> {
        // All from one moment, because votes are useful only on top of the last block.
        let (header, unsealed) =
            self.look(|core, _| (header(core, self.network_id(), from_height), unsealed(core)));
        let mut writer = Writer::start(BufWriter::new(write))?;
        writer.part(Kind::Header, &codec::encode(&header))?;
        for height in header.from..=header.height {
            let block = self.look(|_, archive| block(archive, height))?;
            writer.part(Kind::Block, &block.encode())?;
        }
        for (record, list) in &unsealed {
            match record.statement() {
                Statement::SealProposal { .. } => {
                    let record = ByteBuf::from(record.encode());
                    let list = list.clone();
                    let proposal = Proposal { record, list };
                    writer.part(Kind::Proposal, &codec::encode(&proposal))?;
                }
                _ => writer.part(Kind::Record, &record.encode())?,
            }
        }
        let end = writer.encoder.end();
        writer.part(Kind::End, &codec::encode(&end))?;
        writer.write.flush()?;
        Ok(BundleReport {
            header,
            unsealed: unsealed.len() as u64,
            end,
        })
    }
}

fn header(core: &Core, net: NetworkId, from_height: u64) -> Header {
    let state = core.ledger().state();
    let height = state.height();
    Header {
        net,
        from: from_height.clamp(1, height + 1),
        height,
        seal: state.seal(),
    }
}

/// Records are shared, so this copies only references and lists.
fn unsealed(core: &Core) -> Vec<(Verified, Vec<RecordId>)> {
    let unsealed = core.unsealed().into_iter();
    unsealed
        .map(|(record, list)| (record.clone(), list.to_vec()))
        .collect()
}

fn block(archive: &dyn Archive, height: u64) -> Result<Arc<SealedBlock>, ArchiveError> {
    let block = archive.block(height)?;
    block.ok_or_else(|| ArchiveError(format!("it has no block of height {height}")))
}

struct Writer<W> {
    write: W,
    encoder: Encoder,
}

impl<W: Write> Writer<W> {
    fn start(mut write: W) -> Result<Self, BundleError> {
        let (encoder, start) = Encoder::new();
        write.write_all(&start)?;
        Ok(Self { write, encoder })
    }

    fn part(&mut self, kind: Kind, body: &[u8]) -> Result<(), BundleError> {
        let around = self.encoder.part(kind, body);
        self.write.write_all(&around.head)?;
        self.write.write_all(body)?;
        self.write.write_all(&around.check)?;
        Ok(())
    }
}
