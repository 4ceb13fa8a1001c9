//! What a person should know about a node, in words: a twin, clocks that are off, who does not sign, a ban. Every command that
//! tells of these takes the words from here.

use mycnet_consensus::core::{Backing, SigningState};

use crate::names::node_shown;
use crate::output::short;
use crate::reply::{ClockOff, Clocks, Follows, NotSigning, Twin};

/// About a twin: what it is, where it is, and what to do. `option` names this node's directory.
pub(crate) fn twin(twin: &Twin, option: &str) -> String {
    let place = match (twin.addresses.as_slice(), &twin.through) {
        ([], _) => String::new(),
        (addresses, None) => format!(" at {}", addresses.join(", ")),
        (addresses, Some(peer)) => {
            format!(
                " at {} (its peer {} told)",
                addresses.join(", "),
                node_shown(peer, twin.through_name.as_ref())
            )
        }
    };
    format!(
        "THIS NODE HAS A TWIN: another machine runs with the same key{place}. Neither signs anything now, because a member that \
         signs twice is banned. Stop one of the two for good and delete its directory. Then, a minute later, say on the other \
         one that it lives: `mycnet rejoin{option} --this-one-lives`. If the other one is not yours, the key was stolen: `mycnet key \
         succeed{option}` puts the next key in its place"
    )
}

/// Why nothing is signed without a running node in a directory that seems to be a copy.
pub(crate) fn copy(option: &str) -> String {
    format!(
        "this directory was copied, restored or moved since its node last met others. The node may have signed things that it \
         does not know here, and a member that signs twice is banned. Run the node first, so that it hears of them: `mycnet \
         run{option}`; and never run the original again. To sign all the same, add --from-copy"
    )
}

/// About a running node whose directory was copied, restored or moved.
pub(crate) fn copied() -> &'static str {
    "this directory was copied, restored or moved since its node last met others. If the original still runs, on whatever \
     machine, stop one of the two now: a key runs on one machine only"
}

/// About a ban.
pub(crate) fn banned() -> &'static str {
    "THIS MEMBER IS BANNED, for good: two different statements with its key stand where one is allowed. `mycnet evidence` shows \
     both. It has no vote, and the others tell it nothing more. If its key ran on two machines, or an old copy was restored, \
     that is why; if not, somebody else has the key. The way back is a new member: `mycnet init` in another directory, and \
     `mycnet consent`, which the others have to admit"
}

/// About peers that close connections because this member is banned, which proves nothing by itself.
pub(crate) fn said_banned(peers: usize) -> String {
    format!(
        "{peers} peers say that this member is banned, and close its connections. The seal that says so may not have arrived \
         here. Ask somebody to look at `mycnet roster` and `mycnet evidence`"
    )
}

/// About clocks: one text for each that is off.
pub(crate) fn clocks(clocks: &Clocks) -> Vec<String> {
    let mut texts = Vec::new();
    if let Some(off_ms) = clocks.own_off_ms {
        texts.push(own_clock(off_ms, clocks.peers));
    }
    texts.extend(clocks.off.iter().map(|ClockOff { node, name, off_ms }| {
        format!(
            "the clock of {} is {}: it goes by the others' while it is connected to more than half of the sealers; else seals that \
             it proposes, or should agree to, may wait, and windows end late. Its owner should set it",
            node_shown(node, name.as_ref()),
            way_off(*off_ms)
        )
    }));
    if let Some(ahead_ms) = clocks.seal_ahead_ms {
        texts.push(format!(
            "the last seal's time is {} ahead of this machine's clock: windows that it began seem to last that much longer, and \
             this node cannot propose the right time until then. Check this machine's clock",
            span(ahead_ms)
        ));
    }
    texts
}

/// About this machine's own clock.
pub(crate) fn own_clock(off_ms: i64, peers: usize) -> String {
    let what_follows = if off_ms < 0 {
        "it refuses seals that the others propose, so seals may wait and windows end late"
    } else {
        "the others refuse the seals that it proposes, so seals may wait"
    };
    let whose = if peers == 1 {
        "the clock of its only peer, which may be the wrong one".to_owned()
    } else {
        format!("the median of its {peers} peers")
    };
    format!(
        "this machine's clock is {} {whose}. While it is connected to more than half of the sealers, it goes by theirs; else \
         {what_follows}. Set the clock (a time service such as NTP does)",
        way(off_ms)
    )
}

fn way(off_ms: i64) -> String {
    let side = if off_ms < 0 { "behind" } else { "ahead of" };
    format!("{} {side}", span(off_ms.unsigned_abs()))
}

fn way_off(off_ms: i64) -> String {
    format!("{} the others'", way(off_ms))
}

/// About peers that say that they do not sign.
pub(crate) fn not_signing(peers: &[NotSigning]) -> Vec<String> {
    let states = [
        (SigningState::JournalLost, "has lost its journal"),
        (
            SigningState::Rejoining,
            "has lost its journal, and signs nothing until a seal lists its Rejoin",
        ),
        (
            SigningState::Twin,
            "has a twin: two machines run with its key, and neither signs",
        ),
        (
            SigningState::Compromised,
            "has seen a fork, and seals nothing",
        ),
    ];
    let texts = states.iter().filter_map(|(state, text)| {
        let nodes = peers.iter().filter(|peer| peer.signing == *state);
        let nodes = nodes.map(|peer| node_shown(&peer.node, peer.name.as_ref()));
        let nodes: Vec<String> = nodes.collect();
        (!nodes.is_empty()).then(|| format!("{} {text}", nodes.join(", ")))
    });
    texts.collect()
}

/// A length of time, given in milliseconds.
pub(crate) fn span(ms: u64) -> String {
    match ms / 1000 {
        0..2 => format!("{ms} ms"),
        seconds @ 2..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A network that few of the old votes wanted.
pub(crate) fn secession(backing: &Backing) -> String {
    format!(
        "{} of {} old votes are behind it, not more than half: those who go are the smaller part, and the others keep the old network",
        backing.old_votes, backing.all_old_votes
    )
}

/// The network that this one takes up.
pub(crate) fn follows(follows: &Follows) -> String {
    let network = short(&follows.network);
    if follows.is_secession {
        format!(
            "This network takes up network {network}, as a secession: not more than half of the old votes endorsed it."
        )
    } else {
        format!("This network takes up network {network}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycnet_consensus::{MemberName, NodeId};

    #[test]
    fn a_clock_is_named_with_its_distance_and_side() {
        let node = NodeId::from_bytes([0xab; 32]);
        let texts = clocks(&Clocks {
            peers: 2,
            own_off_ms: Some(-3_600_000 * 3),
            off: vec![ClockOff {
                node,
                name: MemberName::new("ada").ok(),
                off_ms: 90_000,
            }],
            seal_ahead_ms: Some(1500),
        });
        assert!(texts[0].contains("3 h behind the median of its 2 peers"));
        assert!(texts[1].contains("ada (abababab) is 90 s ahead of the others'"));
        assert!(texts[2].contains("1500 ms ahead of this machine's clock"));
        assert!(own_clock(i64::MIN, 1).contains("of its only peer"));
    }

    #[test]
    fn who_does_not_sign_is_named_by_reason() {
        let of = |byte, signing| NotSigning {
            node: NodeId::from_bytes([byte; 32]),
            name: Some(MemberName::of_key(&NodeId::from_bytes([byte; 32]))),
            signing,
        };
        let texts = not_signing(&[
            of(0xaa, SigningState::Rejoining),
            of(0xbb, SigningState::Twin),
            of(0xcc, SigningState::Rejoining),
        ]);
        assert!(texts[0].starts_with("aaaaaaaa, cccccccc has lost its journal"));
        assert!(texts[1].starts_with("bbbbbbbb has a twin"));
        assert_eq!(texts.len(), 2);
    }
}
