//! One question, answered from the ledger.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use mycnet_builds::Subjects;
use mycnet_builds::serve::{Attester, Member, Package, Question, Reply};
use mycnet_consensus::engine::MemberView;
use mycnet_consensus::{Digest, MemberName, NodeId, OperationId, Standing};
use serde::Serialize;

use super::MemberAt;
use crate::builds::ask::Ask;
use crate::builds::said::{About, Said};
use crate::client::Client;
use crate::output::{note, plain};
use crate::reply::Roster;
use crate::request::Request;

/// What answers.
pub(super) struct Serving<'a> {
    pub(super) client: &'a Client,
    pub(super) attester: Attester,
    pub(super) subjects: Subjects,
    pub(super) listening: Vec<SocketAddr>,
}

/// What a rebuilderd says of a package, as far as a ledger knows it, and what the ledger says.
#[derive(Debug, Serialize)]
struct Record<'a> {
    name: &'a str,
    version: &'a str,
    architecture: &'a str,
    build_id: u64,
    artifact_id: u64,
    operation: OperationId,
    subject: String,
    input: String,
    sha256: Digest,
}

#[derive(Debug, Serialize)]
struct Records<'a> {
    total: usize,
    records: Vec<Record<'a>>,
}

#[derive(Debug, Serialize)]
struct Keys {
    current: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Members {
    members: Vec<MemberAt>,
}

/// What is known of a hash.
#[derive(Debug, Serialize)]
struct Known {
    sha256: Digest,
    items: Vec<KnownItem>,
}

/// An item of which somebody gave the hash.
#[derive(Debug, Serialize)]
struct KnownItem {
    operation: OperationId,
    subject: String,
    input: String,
    /// All results that were given, and by whom.
    results: Vec<Given>,
}

#[derive(Debug, Serialize)]
struct Given {
    sha256: Digest,
    by: Vec<Giver>,
}

#[derive(Debug, Serialize)]
struct Giver {
    node: NodeId,
    /// `null` if it is no member now.
    name: Option<MemberName>,
    standing: Option<Standing>,
}

impl Serving<'_> {
    /// The answer, whatever happens.
    pub(super) async fn answer(&self, question: Question) -> Reply {
        match self.try_answer(question).await {
            Ok(reply) => reply,
            Err(error) => {
                note(&plain(&format!("a question was not answered: {error:#}")));
                Reply::failed(
                    &"the node cannot answer now: what it says stands where `mycnet builds serve` runs",
                )
            }
        }
    }

    async fn try_answer(&self, question: Question) -> anyhow::Result<Reply> {
        let roster: Roster = self.client.ask(Request::Roster).await?;
        let named = |name: &MemberName| roster.members.iter().find(|it| it.name == *name);
        let stranger =
            |name: &MemberName| Ok(Reply::unknown(&format!("no member is named {name}")));
        match question {
            Question::Members => Ok(Reply::json(&Members {
                members: self.addresses_of(&roster),
            })),
            Question::Keys { member } => match named(&member) {
                None => stranger(&member),
                Some(view) => Ok(Reply::json(&Keys {
                    current: vec![self.attester.key(&member_of(view)).to_pem()],
                })),
            },
            Question::Packages { member, package } => match named(&member) {
                None => stranger(&member),
                Some(view) => self.packages(view, &package).await,
            },
            Question::Attestation {
                member,
                build,
                artifact,
            } => match named(&member) {
                None => stranger(&member),
                Some(view) => self.attestation(view, build, artifact).await,
            },
            Question::Sha256(hash) => self.known(Digest::from_bytes(hash), &roster).await,
        }
    }

    /// The members, each at another address as far as there are enough.
    pub(super) fn addresses_of(&self, roster: &Roster) -> Vec<MemberAt> {
        let mut members: Vec<&MemberView> = roster.members.iter().collect();
        members.sort_by_key(|member| &member.name);
        let addresses = self.listening.iter().cycle();
        let at = members.into_iter().zip(addresses);
        at.map(|(member, address)| MemberAt {
            name: member.name.clone(),
            node: member.node,
            url: format!("http://{address}/{}/", member.name),
        })
        .collect()
    }

    async fn said(&self, about: About) -> anyhow::Result<Vec<Said>> {
        self.client.ask(Request::Builds(Ask::Said(about))).await
    }

    async fn packages(&self, member: &MemberView, package: &Package) -> anyhow::Result<Reply> {
        let subjects = package.subjects(&self.subjects);
        let said = if subjects.is_empty() {
            Vec::new()
        } else {
            self.said(About::Subjects(subjects)).await?
        };
        let records: Vec<Record<'_>> = said
            .into_iter()
            .filter_map(|said| {
                Some(Record {
                    name: &package.name,
                    version: &package.version,
                    architecture: &package.architecture,
                    build_id: said.build,
                    artifact_id: said.artifact,
                    operation: said.operation,
                    sha256: result_of(&said, member)?,
                    subject: said.item.subject,
                    input: hex::encode(said.item.input),
                })
            })
            .collect();
        Ok(Reply::json(&Records {
            total: records.len(),
            records,
        }))
    }

    async fn attestation(
        &self,
        member: &MemberView,
        build: u64,
        artifact: u64,
    ) -> anyhow::Result<Reply> {
        let said = self.said(About::Build { build, artifact }).await?;
        let said = said.into_iter().next();
        let Some((said, result)) =
            said.and_then(|said| result_of(&said, member).map(|result| (said, result)))
        else {
            return Ok(Reply::unknown(&"the member gave no result there"));
        };
        let of = member_of(member);
        let mut original = None;
        if self.attester.is_own(&of) {
            // The node's own book has nobody else's.
            let item = said.item.clone();
            let ask = Ask::Original { item, result };
            let digits: Option<String> = self.client.ask(Request::Builds(ask)).await?;
            original = digits.map(hex::decode).transpose()?;
        }
        let original = original.as_deref();
        let link = (self.attester).attest(&of, &said.item, result.as_bytes(), original)?;
        Ok(Reply::of(link))
    }

    async fn known(&self, hash: Digest, roster: &Roster) -> anyhow::Result<Reply> {
        let said = self.said(About::Result(hash)).await?;
        if said.is_empty() {
            return Ok(Reply::unknown(&"nobody gave this hash for anything"));
        }
        let giver = |node: NodeId| {
            let member = roster.members.iter().find(|it| has_key(it, &node));
            Giver {
                node,
                name: member.map(|it| it.name.clone()),
                standing: member.map(|it| it.standing),
            }
        };
        let items = said.into_iter().map(|said| {
            let mut results: BTreeMap<Digest, Vec<Giver>> = BTreeMap::new();
            for (node, result) in said.given {
                results.entry(result).or_default().push(giver(node));
            }
            let results = results.into_iter();
            KnownItem {
                operation: said.operation,
                subject: said.item.subject,
                input: hex::encode(said.item.input),
                results: results.map(|(sha256, by)| Given { sha256, by }).collect(),
            }
        });
        Ok(Reply::json(&Known {
            sha256: hash,
            items: items.collect(),
        }))
    }
}

fn member_of(view: &MemberView) -> Member {
    Member {
        node: view.node,
        first: view.former.first().copied().unwrap_or(view.node),
    }
}

/// Whether a member has this key, or had it.
fn has_key(member: &MemberView, key: &NodeId) -> bool {
    member.node == *key || member.former.contains(key)
}

/// What a member gave.
fn result_of(said: &Said, member: &MemberView) -> Option<Digest> {
    let mut given = said.given.iter();
    let given = given.find(|(by, _)| has_key(member, by));
    given.map(|(_, result)| *result)
}
