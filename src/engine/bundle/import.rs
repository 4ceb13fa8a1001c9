//! Importing a bundle.

use std::io::Read;

use super::super::BFTConsensusEngine;
use super::{BundleError, BundleImport, BundleReader, ImportError};
use crate::base::limits::WINDOW_BYTES_MAX;
use crate::core::{Answer, Input};
use crate::exchange::bundle::{Header, Part, Unsealed};

impl BFTConsensusEngine {
    /// Imports a bundle: applies the blocks that this node lacks, takes the rest, and then reacts to all of it. The contents
    /// are verified like a peer's messages. Bundles may be imported repeatedly and in any order.
    ///
    /// The node gets them in groups as large as a peer's messages. Memory holds at most one group and the part being read.
    /// Reading blocks the calling thread. If the future is dropped, the groups so far stay imported; the node reacts to them
    /// with its next input.
    ///
    /// # Errors
    ///
    /// [`ImportError`] with the reason, and the result until then. A bundle of another network
    /// ([`BundleError::WrongNetwork`]), or one that begins too late ([`BundleError::Gap`]), imports nothing. A damaged one
    /// ([`BundleError::Unreadable`]) imports the parts before the damage, like a bundle that ends there.
    pub async fn import_bundle(&self, read: impl Read) -> Result<BundleImport, ImportError> {
        let height = self.height();
        let mut imported = BundleImport {
            height_before: height,
            height,
            ..BundleImport::default()
        };
        let mut taken = self.take_bundle(read, &mut imported).await;
        if imported.header.is_some() {
            let acted = self.host.input(Input::Tick).await;
            taken = taken.and(acted.map(drop).map_err(BundleError::from));
            imported.height = self.height();
        }
        match taken {
            Ok(()) => Ok(imported),
            Err(error) => Err(ImportError {
                error,
                imported: Box::new(imported),
            }),
        }
    }

    async fn take_bundle(
        &self,
        read: impl Read,
        imported: &mut BundleImport,
    ) -> Result<(), BundleError> {
        let mut reader = BundleReader::new(read)?;
        let header = *reader.header();
        self.judge(&header, imported.height_before)?;
        imported.header = Some(header);
        let mut group = Group::default();
        loop {
            let part = match reader.next_part() {
                Ok(Some(Part::Header(_) | Part::End(_))) => continue,
                Ok(Some(part)) => part,
                Ok(None) => return self.give(group, imported).await,
                Err(error) => {
                    self.give(group, imported).await?;
                    return Err(error);
                }
            };
            if !group.has_room_for(&part) {
                self.give(std::mem::take(&mut group), imported).await?;
            }
            group.push(part);
        }
    }

    fn judge(&self, header: &Header, height: u64) -> Result<(), BundleError> {
        if header.net != self.network_id() {
            return Err(BundleError::WrongNetwork(header.net));
        }
        let (begins, lacks) = (header.from, height + 1);
        if begins > lacks {
            return Err(BundleError::Gap { begins, lacks });
        }
        Ok(())
    }

    /// Gives a group to the node.
    async fn give(&self, group: Group, imported: &mut BundleImport) -> Result<(), BundleError> {
        if !group.blocks.is_empty() {
            self.give_blocks(group.first, group.blocks, imported)
                .await?;
        }
        if !group.unsealed.is_empty() {
            self.give_unsealed(group.unsealed, imported).await?;
        }
        Ok(())
    }

    async fn give_blocks(
        &self,
        first: u64,
        blocks: Vec<Vec<u8>>,
        imported: &mut BundleImport,
    ) -> Result<(), BundleError> {
        let given = blocks.len();
        let input = Input::ImportBlocks { blocks };
        let Answer::Blocks {
            taken,
            applied,
            refused,
        } = self.host.input(input).await?
        else {
            unreachable!("blocks are answered with what became of them");
        };
        imported.applied += applied;
        imported.held += (taken as u64).saturating_sub(applied);
        match refused {
            Some(rejection) => Err(BundleError::Refused {
                height: first + taken as u64,
                rejection,
            }),
            None if taken < given => Err(BundleError::Forked),
            None => Ok(()),
        }
    }

    async fn give_unsealed(
        &self,
        parts: Vec<Unsealed>,
        imported: &mut BundleImport,
    ) -> Result<(), BundleError> {
        let answer = self.host.input(Input::ImportUnsealed { parts }).await?;
        let Answer::Imported(results) = answer else {
            unreachable!("an import is answered part by part");
        };
        for result in results {
            imported.count(result);
        }
        Ok(())
    }
}

/// Bytes counted per part in addition to its own: a million empty parts are short in a file, but not in memory.
const PART_BYTES: usize = 64;

/// Parts that the node gets at once.
#[derive(Debug, Default)]
struct Group {
    /// The height of the first block.
    first: u64,
    blocks: Vec<Vec<u8>>,
    unsealed: Vec<Unsealed>,
    bytes: usize,
}

impl Group {
    /// Whether a part fits. Every part fits into an empty group.
    fn has_room_for(&self, part: &Part) -> bool {
        self.bytes == 0 || self.bytes + length(part) <= WINDOW_BYTES_MAX
    }

    fn push(&mut self, part: Part) {
        self.bytes += length(&part);
        match part {
            Part::Block { height, bytes } => {
                if self.blocks.is_empty() {
                    self.first = height;
                }
                self.blocks.push(bytes);
            }
            Part::Unsealed(part) => self.unsealed.push(part),
            Part::Header(_) | Part::End(_) => {}
        }
    }
}

fn length(part: &Part) -> usize {
    let bytes = match part {
        Part::Block { bytes, .. } | Part::Unsealed(Unsealed::Record(bytes)) => bytes.len(),
        Part::Unsealed(Unsealed::Proposal(proposal)) => {
            proposal.record.len() + size_of_val(proposal.list.as_slice())
        }
        Part::Header(_) | Part::End(_) => 0,
    };
    PART_BYTES + bytes
}
