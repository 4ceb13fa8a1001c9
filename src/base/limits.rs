//! Every limit of the protocol ([B1], [B2]), with its reason. Wire limits are rules: all nodes of a network must share them.

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A record, encoded, in bytes. A roster-sized panel (1,024 keys) and a payload of [`PAYLOAD_BYTES_MAX`] do not both fit;
/// either alone does.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// A record that proposes a claim set or reveals its results, encoded, in bytes: [`SET_PAYLOAD_BYTES_MAX`] and what surrounds
/// it. No record is longer.
pub const SET_RECORD_BYTES_MAX: usize = 160 * 1024;

/// Items of a claim set: a night of a large distribution fits a few dozen sets, and one record holds a result of each.
pub const SET_ITEMS_MAX: usize = 512;

/// The subjects and inputs of a claim set together, in bytes: 256 for each of [`SET_ITEMS_MAX`] items.
pub const SET_PAYLOAD_BYTES_MAX: usize = 128 * 1024;

/// The subject of an item of a claim set, in bytes: a name with version, architecture and file.
pub const ITEM_SUBJECT_BYTES_MAX: usize = 256;

/// The input or the result of an item of a claim set, in bytes: a SHA-512.
pub const ITEM_BYTES_MAX: usize = 64;

/// The free part of an operation or a ballot, in bytes: half a record, so that what surrounds it always fits.
pub const PAYLOAD_BYTES_MAX: usize = 32 * 1024;

/// The longest result of a closed claim that a node keeps in memory for ever, in bytes: the length of a hash. Of a
/// longer result the node keeps the digest.
pub const REMEMBERED_RESULT_BYTES_MAX: usize = 32;

/// Names, subjects and reasons in records, in bytes of UTF-8: a line for people, not a document.
pub const TEXT_BYTES_MAX: usize = 1024;

/// A member's name, in bytes: fits a column of a terminal.
pub const MEMBER_NAME_BYTES_MAX: usize = 32;

/// Members of a roster, and so electors of an operation: a certificate with one precommit of each still fits a frame.
pub const MEMBERS_MAX: usize = 1024;
/// Keys that a member replaced. Its line keeps them for ever, and every seal hashes the line; nobody replaces a key this often
/// who does not do it for the sake of the load.
pub const FORMER_KEYS_MAX: usize = 64;

/// A genesis, encoded. One that follows another network has the lines of its members, up to 4 kB each with all former keys, and the
/// configuration.
pub const GENESIS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The fewest members with weight in a panel: with two, one of them alone decides whether there is a result.
pub const PANEL_WEIGHTED_MIN: usize = 3;

/// Records that one signature covers: 16 hashes of path at most.
pub const BATCH_RECORDS_MAX: u32 = 65_536;

/// Hashes in a Merkle path: log2 of [`BATCH_RECORDS_MAX`].
pub const PATH_HASHES_MAX: usize = 16;

/// Remembered verified `(author, root, size)`: each is 132 bytes, so about 1 MiB in all.
pub const VERIFIED_ROOTS_MAX: usize = 8 * 1024;

/// Tables of keys, for cheaper checks: each is 110 KiB, so 7 MiB in all. Those of sealers come first; signatures of authors beyond
/// are checked without.
pub const KEY_TABLES_MAX: usize = 64;

/// Records of one message or block whose signatures are checked together: enough that they share most of what can be shared,
/// and no more, because a sender of bad ones is found out only after as many.
pub const CHECKED_TOGETHER_MAX: usize = 16;

/// Records of messages in the inbox whose signatures are checked together before their turn: an inbox of a meshed network
/// seldom has more. It bounds what bad ones cost before their senders are found out.
pub const CHECKED_AHEAD_MAX: usize = 64;

/// Open proposals per `Active` author: bounds what one member can make all others keep.
pub const OPEN_PROPOSALS_MAX: usize = 64;

/// Open proposals per author on `Probation` or `Suspended`: they may ask for things, but not crowd others out.
pub const OPEN_PROPOSALS_RESTRICTED_MAX: usize = 4;

/// Orphans (records that refer to something unknown) kept per peer, oldest dropped first.
pub const ORPHANS_PER_PEER_MAX: usize = 1024;

/// Orphans kept per peer, in bytes: [`ORPHANS_PER_PEER_MAX`] records of four times the usual length. Without this limit
/// records of the greatest length would take 64 MiB per peer.
pub const ORPHAN_BYTES_PER_PEER_MAX: usize = 1024 * 1024;

/// A frame on the wire, in bytes: holds the largest list of a seal (10,000 ids are 340 kB) and any certificate.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Records in one seal: the list must fit a frame, and applying them must take less than a step patience.
pub const SEAL_RECORDS_MAX: usize = 10_000;

/// Bytes of record bodies in one seal: ten thousand votes, or sixty-four records of the greatest length. Without this
/// limit a block could take 656 MB, which every node would have to receive, hold and decode at once. Proofs do not
/// count, because two replicas may hold different proofs of one body.
pub const SEAL_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest proof, encoded, in bytes: a signature, two numbers, [`PATH_HASHES_MAX`] hashes with their heads, and names.
pub const PROOF_BYTES_MAX: usize = 64 + 34 * PATH_HASHES_MAX + 64;

/// A sealed block, encoded, in bytes: all records that a seal takes, and a certificate.
pub const BLOCK_BYTES_MAX: usize =
    SEAL_BODY_BYTES_MAX + SEAL_RECORDS_MAX * (PROOF_BYTES_MAX + 16) + FRAME_BYTES_MAX;

/// The answer to one message, in bytes of records or blocks: one frame, or one record, proposal or block if that is
/// longer. A peer asks for more after it has taken this in, so no node gets data faster than it reads.
pub const WINDOW_BYTES_MAX: usize = FRAME_BYTES_MAX - 64;

/// Ids in a request or an offer of records: as many as one window can answer with records of the usual 256 bytes.
pub const WANT_IDS_MAX: usize = 4096;

/// Ids of records kept to be offered to a peer later, half a MiB per peer: together with the earlier offers, two seals
/// of records per comparison.
pub const OFFERS_MAX: usize = 4 * WANT_IDS_MAX;

/// One message of a reconciliation, in bytes: room for the ids of one request.
pub const RECONCILE_BYTES_MAX: usize = WANT_IDS_MAX * 32;

/// Rounds of one reconciliation. It takes `log16(n)` rounds to find where sets of `n` records differ, and about three more for
/// every [`WANT_IDS_MAX`] records of difference. A difference beyond a hundred thousand records is left to the next comparison.
pub const RECONCILE_ROUNDS_MAX: u32 = 64;

/// How long an answer is expected to be on its way, in milliseconds. During this time a peer is not served the same
/// blocks again (either they arrive soon, or the peer asks in a loop), and of two comparisons that begin at once only
/// one goes on. A later comparison repairs what was lost.
pub const AGAIN_MS: u64 = 1000;

/// How long the id of a new record waits to be offered to a peer that has another source of its author's records, in
/// milliseconds: longer than agreement on a seal usually takes, so that most records are sealed before.
pub const OFFER_AFTER_MS: u64 = 500;

/// Records or blocks in one frame. A record takes far more than 64 bytes, so a frame full of records stays below this
/// limit; a megabyte of empty strings would take 24 megabytes of memory.
pub const FRAME_ITEMS_MAX: usize = 16 * 1024;

/// A part of the hello between two nodes, in bytes: nonces, a signature and [`PEER_ADDRESSES_MAX`] addresses.
pub const HELLO_BYTES_MAX: usize = 4 * 1024;

/// Addresses of one peer, all of which are dialled: a few networks with two address families each.
pub const PEER_ADDRESSES_MAX: usize = 8;

/// An address as text, in bytes: a relay's URL is the longest.
pub const ADDRESS_BYTES_MAX: usize = 256;

/// The header or end mark of a bundle, in bytes: hashes, heights and names of fields.
pub const BUNDLE_MARK_BYTES_MAX: usize = 256;

/// Peers that a node tells another about in one message, at most once a minute.
pub const PEERS_TOLD_MAX: usize = 32;

/// Peers in a ticket; one of them has to answer.
pub const TICKET_PEERS_MAX: usize = 4;

/// Rounds per height and author whose votes are kept, the [`LOW_ROUNDS`] lowest and the other highest ([S8]): a flood of rounds
/// costs nothing.
pub const VOTE_ROUNDS_MAX: usize = 64;

/// The lowest rounds of an author, kept however many rounds follow ([S8]). Evidence about them stays comparable after the height
/// is sealed ([S10]).
pub const LOW_ROUNDS: usize = 4;

/// Rounds of a height with an own nil vote in which a sealer still insists on its own view of what is left out and of the
/// time ([S6]). After them it gives in, because honest sealers that hold different things against each other's proposals could
/// otherwise stop the chain for ever.
pub const EARLY_ROUNDS: u32 = 8;

/// How often patience doubles within a height ([S8]): up to 32-fold.
pub const PATIENCE_DOUBLINGS_MAX: u32 = 5;

/// Heights whose votes peers still compare after the decision, so that two votes of one slot in two honest hands meet ([S10]).
pub const COMPARED_HEIGHTS: usize = 16;

/// Heights for which votes are kept after the decision, and for which two certificates stop a sealer. Evidence of an
/// older fork could be made with stolen old keys.
pub const EVIDENCE_HEIGHTS: u64 = 100;

/// Different bodies kept per slot: two prove equivocation, and a third one proves nothing more.
pub const SLOT_BODIES_MAX: usize = 2;

/// Chances remembered per member for absence ([T4]).
pub const CHANCES: u32 = 100;

/// Keys of the configuration map: bounds the part of the state that decisions can add to.
pub const CONFIG_KEYS_MAX: usize = 4096;

/// Trust of 1, in parts per million.
pub const TRUST_MAX_PPM: u32 = 1_000_000;

/// Largest time in a seal, milliseconds since 1970: below 2^53, so that every Automerge client reads it.
pub const TIME_MS_MAX: u64 = (1 << 53) - 1;

/// The highest round of a height: keeps the arithmetic of proposers far from overflow.
pub const ROUND_MAX: u32 = u32::MAX / 2;

/// The largest certificate, in bytes. Longer ones are neither made nor read.
///
/// It grows with the changes of sealers: each takes some 100 bytes for a sealer, so 1,024 sealers can change 150 times; ten can 10,000
/// times. Where a network is older than that, it is founded anew before.
pub const CERTIFICATE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The largest index, in bytes: a year of nights of 30,000 items, each some 100 bytes.
pub const INDEX_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// How long a twin must be silent before a person may say which of the two lives, in milliseconds. Peers that have both
/// connected let the two prove themselves to each other more often than this.
pub const TWIN_SILENCE_MS: u64 = 60_000;
