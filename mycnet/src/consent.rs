//! `mycnet consent`: a candidate's signed consent to its admission.

use std::fmt;
use std::str::FromStr;

use mycnet_consensus::{Consent, Genesis, MemberName, NetworkId, NodeId, Signer as _, Spore};

use crate::arguments::{member_name, role};
use crate::client::ask;
use crate::home::Common;
use crate::home::succession::Whose;
use crate::join;
use crate::reply::Consented;
use crate::request::Request;

/// Sign that this node wants to be a member of a network
///
/// Nobody is admitted without consent. The command prints one line, which a member
/// gives to `mycnet propose admission --consent`. The line names the network, this
/// node, its name and its role, and has no other use. If another member has the
/// name, the admission is refused: then sign again, with another name. The digest of
/// the key that may replace this node's, if `mycnet init` made one, is in it too.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A ticket, a file with a ticket, a genesis file or a network id; the joined network unless given
    network: Option<String>,

    /// Name the role that this node agrees to: seed or latent
    #[arg(long, value_name = "ROLE", default_value = "latent", value_parser = candidate_role)]
    role: Spore,

    /// Choose this node's name: 1 to 32 of a-z, 0-9 and -; the first 8 digits of its id unless given
    #[arg(long, value_name = "NAME", value_parser = member_name)]
    name: Option<MemberName>,

    #[command(flatten)]
    common: Common,
}

fn candidate_role(text: &str) -> Result<Spore, String> {
    match role(text)? {
        Spore::Primary => Err(
            "nobody is admitted as primary: `mycnet propose role` gives the role later".to_owned(),
        ),
        role => Ok(role),
    }
}

/// What `mycnet consent` prints: everything that an admission takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignedConsent {
    network: NetworkId,
    pub(crate) candidate: NodeId,
    pub(crate) role: Spore,
    pub(crate) consent: Consent,
}

/// The first word of a consent's text.
const WORD: &str = "mycnet-consent";

impl fmt::Display for SignedConsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            network,
            candidate,
            role,
            consent,
        } = self;
        let name = &consent.name;
        let successor = consent
            .successor
            .map_or_else(String::new, |it| it.to_string());
        let sig = hex::encode(consent.sig.as_bytes());
        write!(
            f,
            "{WORD}:{name}:{role}:{candidate}:{network}:{successor}:{sig}"
        )
    }
}

impl FromStr for SignedConsent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.trim().split(':');
        let mut part = || parts.next().ok_or("it is cut short");
        if part()? != WORD {
            return Err(format!("it does not begin with {WORD}"));
        }
        let (name, as_role, candidate) = (part()?, part()?, part()?);
        let (network, successor, sig) = (part()?, part()?, part()?);
        let read = Self {
            network: network
                .parse()
                .map_err(|error| format!("its network: {error}"))?,
            candidate: candidate
                .parse()
                .map_err(|error| format!("its node: {error}"))?,
            role: role(as_role)?,
            consent: Consent {
                name: member_name(name)?,
                successor: (!successor.is_empty())
                    .then(|| successor.parse())
                    .transpose()
                    .map_err(|error| format!("its successor: {error}"))?,
                sig: serde_json::from_value(sig.into())
                    .map_err(|error| format!("its signature: {error}"))?,
            },
        };
        if parts.next().is_some() {
            return Err("something follows its signature".to_owned());
        }
        let verified = read.consent.verify(read.network, read.candidate, read.role);
        verified.map_err(|error| error.to_string())?;
        Ok(read)
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.home()?;
    let network = if let Some(text) = &args.network {
        named(text)?
    } else {
        let genesis: Genesis = ask(&args.common, Request::Genesis)?;
        genesis.network_id()
    };
    let (author, successor) = (home.author()?, home.successor(Whose::Author)?);
    let name = args.name.clone();
    let name = name.unwrap_or_else(|| MemberName::of_key(&author.node_id()));
    let signed = SignedConsent {
        network,
        candidate: author.node_id(),
        role: args.role,
        consent: Consent::sign(&author, network, args.role, name.clone(), successor)?,
    };
    let consented = Consented {
        network,
        candidate: signed.candidate,
        name,
        role: signed.role,
        successor,
        consent: signed.to_string(),
    };
    let format = args.common.format;
    format.print(&consented, |consented| consented.consent.clone())
}

fn named(text: &str) -> anyhow::Result<NetworkId> {
    if let Ok(network) = text.parse() {
        return Ok(network);
    }
    Ok(join::read(text)?.network())
}

#[cfg(test)]
mod tests {
    use mycnet_consensus::{Digest, Identity};

    use super::*;

    #[test]
    fn a_consent_round_trips_and_says_nothing_else() {
        let candidate = Identity::from_seed_label("candidate");
        let network = NetworkId::from_bytes([7; 32]);
        let name = || MemberName::new("zoe").unwrap();
        let signed = |successor| SignedConsent {
            network,
            candidate: candidate.node_id(),
            role: Spore::Seed,
            consent: Consent::sign(&candidate, network, Spore::Seed, name(), successor).unwrap(),
        };
        for signed in [signed(None), signed(Some(Digest::from_bytes([8; 32])))] {
            assert_eq!(format!("{signed}\n").parse(), Ok(signed));
        }
        let text = signed(None).to_string();
        for (signed, other) in [
            (":seed:", ":latent:"),
            (":zoe:", ":zoo:"),
            (":zoe:", ":Zoe:"),
            ("::", ":"),
        ] {
            assert!(
                text.replace(signed, other)
                    .parse::<SignedConsent>()
                    .is_err(),
                "{other}"
            );
        }
        assert!(text[..text.len() - 1].parse::<SignedConsent>().is_err());
        assert!(format!("{text}:00").parse::<SignedConsent>().is_err());
    }
}
