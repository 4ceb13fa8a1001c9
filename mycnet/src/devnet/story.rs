//! The demo: a story of a federation, told in plain words. Each step is checked.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use mycnet_consensus::core::{Refusal, sign_succession};
use mycnet_consensus::engine::{EngineError, MemberView, PlanWish};
use mycnet_consensus::net::Ticket;
use mycnet_consensus::{
    BFTConsensusEngine, Ballot, ConsensusOperation, Consent, MemberName, NodeId, OperationId,
    Outcome, Rejection, Signer as _, Spore, Standing,
};

use super::events::now;
use super::network::{DEADLINE, Network, name};
use super::say;
use super::voter::claim;

/// The Primary.
const PRIMARY: usize = 0;

/// The Seed that answers a claim wrongly.
const LIAR: usize = 2;

/// The Seed that makes the proposals that the Primary does not make.
const SEED: usize = 1;

/// Nodes that the story takes: without one of them, the others must still be more than two thirds.
pub(super) const NODES_MIN: usize = 4;

/// Tells the story, up to the first step that goes wrong. `killed` is the member in a process of its own.
pub(super) async fn tell(network: &mut Network, killed: usize) -> anyhow::Result<()> {
    let newcomer = admission(network).await.context("the admission")?;
    one_answers_wrongly(network).await.context("the claim")?;
    deployment(network).await.context("the deployment")?;
    one_is_killed(network, killed).await.context("the kill")?;
    let earned = newcomer_earns_its_vote(network, newcomer).await;
    earned.context("the newcomer's vote")?;
    a_key_is_stolen(network).await.context("the stolen key")?;
    network.settle().await?;
    let position = network.progress.common(&network.running());
    let (height, digest) = position.unwrap_or_default();
    say(&format!(
        "All {} nodes, {} among them, are at height {height}, state {digest}.",
        network.running().len(),
        name(newcomer)
    ));
    Ok(())
}

fn since(begun: Instant) -> String {
    format!("{} ms", (now() - begun).as_millis())
}

/// Waits until all running nodes know the final outcome, and checks it.
async fn decided(
    network: &mut Network,
    what: &str,
    operation: OperationId,
    expected: &Ballot,
) -> anyhow::Result<()> {
    let waited_for = format!("all nodes to decide {what}");
    let is_final = |network: &Network| network.progress.is_final(&operation, &network.running());
    network.until(&waited_for, is_final).await?;
    let known = network.progress.operation(&operation);
    let outcome = known.and_then(|known| known.outcome());
    ensure!(
        outcome == Some(&Outcome::Decided(expected.clone())),
        "{what}: expected {expected} at all nodes, found {outcome:?}"
    );
    Ok(())
}

async fn admission(network: &mut Network) -> anyhow::Result<usize> {
    say("1. A new node wants to join.");
    let newcomer = network.candidate(Spore::Latent)?;
    let author = network.members[newcomer].home.author()?;
    let candidate = network.members[newcomer].id;
    let consent = Consent::sign(
        &author,
        network.genesis.network_id(),
        Spore::Latent,
        MemberName::new(name(newcomer))?,
        None,
    )?;
    let (new, seed) = (name(newcomer), name(SEED));
    say(&format!(
        "   {new} made its keys and signed that it wants to be a latent member; {seed} proposes it."
    ));
    let begun = now();
    let admission = ConsensusOperation::NodeAdmission {
        candidate,
        role: Spore::Latent,
        consent,
    };
    let id = network.engine(SEED)?.propose_operation(admission).await?;
    decided(network, "the admission", id, &Ballot::Approve).await?;
    say(&format!(
        "   All members approve; it is sealed after {}.",
        since(begun)
    ));
    let ticket = network.members[PRIMARY].ticket.clone();
    // People pass a ticket on as text.
    let ticket = ticket.context("the Primary has no ticket")?.to_string();
    let begun = now();
    network.join(newcomer, &ticket.parse::<Ticket>()?).await?;
    let has_joined = |network: &Network| {
        let position = network.progress.position(newcomer);
        position.is_some_and(|(height, _)| height > 0)
            && position == network.progress.position(PRIMARY)
    };
    network
        .until("the newcomer to catch up", has_joined)
        .await?;
    say(&format!(
        "   With the ticket of {} it fetched the genesis and all seals in {}.",
        name(PRIMARY),
        since(begun)
    ));
    for engine in network.engines() {
        let roster = engine.roster();
        let found = roster.iter().find(|member| member.node == candidate);
        let standing = found.map(|member| (member.standing, member.has_vote));
        ensure!(
            standing == Some((Standing::Probation, false)),
            "expected the newcomer on probation and without a vote, found {standing:?}"
        );
    }
    say(
        "   In every node's roster it is on probation: it votes along, and its vote does not count yet.",
    );
    Ok(newcomer)
}

async fn one_answers_wrongly(network: &mut Network) -> anyhow::Result<()> {
    say("2. What is 6 * 7? Every node computes it, and one is wrong.");
    let liar = network.members[LIAR].id;
    let skills = |network: &Network| {
        let skill = move |engine: &BFTConsensusEngine| {
            let roster = engine.roster();
            let line = roster.iter().find(|member| member.node == liar);
            line.map_or(0, |member| member.skill_ppm)
        };
        network.engines().map(skill).collect::<Vec<u32>>()
    };
    let before = skills(network);
    network.set_lying(LIAR, true);
    let begun = now();
    let answer = b"42".to_vec();
    let primary = network.engine(PRIMARY)?;
    let id = primary.propose_claim(claim(6, 7), answer.clone()).await?;
    decided(network, "the claim", id, &Ballot::Result(answer)).await?;
    say(&format!(
        "   42, say the others, final after {}; {} said 43.",
        since(begun),
        name(LIAR)
    ));
    let is_closed = |network: &Network| {
        let mut engines = network.engines();
        engines.all(|engine| engine.status(&id).is_some_and(|it| it.phase == "closed"))
    };
    network.until("the claim to close", is_closed).await?;
    network.set_lying(LIAR, false);
    let after = skills(network);
    let mut pairs = before.iter().zip(&after);
    ensure!(
        pairs.all(|(before, after)| after < before),
        "expected the skill of {} to fall everywhere, found {before:?} and {after:?}",
        name(LIAR)
    );
    say(&format!(
        "   Its skill falls from {} to {} parts per million, at every node by its own arithmetic.",
        before[0], after[0]
    ));
    Ok(())
}

async fn deployment(network: &mut Network) -> anyhow::Result<()> {
    let window = Duration::from_millis(network.engine(PRIMARY)?.params().objection_window_ms);
    say("3. The Primary deploys a service, which takes no vote unless a Seed objects.");
    say(&format!(
        "   Its directive is out; the Seeds have {window:?} of sealed time, and none of them objects."
    ));
    let begun = now();
    let deployment = ConsensusOperation::ServiceDeployment {
        service: "wiki".into(),
        manifest: b"wiki 1.0".to_vec(),
    };
    let primary = network.engine(PRIMARY)?;
    let id = primary.propose_operation(deployment).await?;
    decided(network, "the deployment", id, &Ballot::Approve).await?;
    for engine in network.engines() {
        let found = engine.config().get("service.wiki").cloned();
        ensure!(
            found.as_deref() == Some(b"wiki 1.0"),
            "expected the service in every node's configuration, found {found:?}"
        );
    }
    let taken = since(begun);
    ensure!(
        now() - begun >= window,
        "it took effect after {taken}, before the window of {window:?} had passed"
    );
    say(&format!(
        "   After {taken} it is in every node's configuration."
    ));
    Ok(())
}

/// Claims are decided until the newcomer, which answers all of them, is `Active`.
async fn newcomer_earns_its_vote(network: &mut Network, newcomer: usize) -> anyhow::Result<()> {
    let (new, id) = (name(newcomer), network.members[newcomer].id);
    let params = network.engine(PRIMARY)?.params();
    let window = Duration::from_millis(params.commit_window_ms);
    say(&format!(
        "5. {new} votes whenever it is asked. For a vote that counts it needs trust, and a row of {} outcomes that it helped to \
         find, of which one counts in {window:?}.",
        params.activate_row
    ));
    let line = move |engine: &BFTConsensusEngine| {
        let roster = engine.roster();
        roster.into_iter().find(|member| member.node == id)
    };
    let begun = now();
    let mut claims = 0;
    loop {
        let member = line(network.engine(PRIMARY)?).context("the newcomer is no member")?;
        if member.standing == Standing::Active {
            break;
        }
        ensure!(
            now() - begun < DEADLINE,
            "it is still {} after {claims} claims: trust {}, row {}",
            member.standing,
            member.trust_ppm,
            member.row
        );
        if member.trust_ppm >= params.activate_from_ppm {
            // Only time is missing, and claims without pause would not make it pass.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        claims += 1;
        let answer = (claims * 9).to_string().into_bytes();
        let primary = network.engine(PRIMARY)?;
        let operation = primary.propose_claim(claim(claims, 9), answer.clone());
        let operation = operation.await?;
        decided(network, "a claim", operation, &Ballot::Result(answer)).await?;
    }
    let has_vote = |network: &Network| {
        let mut lines = network.engines().map(line);
        lines.all(|member| member.is_some_and(|member| member.has_vote))
    };
    network
        .until("all nodes to count its vote", has_vote)
        .await?;
    say(&format!(
        "   After {claims} more claims, in {}, it is active in every node's roster: it has one vote, like every other.",
        since(begun)
    ));
    Ok(())
}

async fn one_is_killed(network: &mut Network, killed: usize) -> anyhow::Result<()> {
    let victim = name(killed);
    say(&format!(
        "4. The process of {victim} is killed, without a goodbye; the others go on."
    ));
    let position = network.progress.position(killed);
    let (height, _) = position.context("nothing is known of the node to be killed")?;
    network.kill(killed).await?;
    let begun = now();
    let primary = network.engine(PRIMARY)?;
    let answer = b"56".to_vec();
    let claimed = primary.propose_claim(claim(7, 8), answer.clone()).await?;
    let change = ConsensusOperation::NetworkConfiguration {
        config_type: "motd".into(),
        proposed_change: b"welcome".to_vec(),
    };
    let changed = network.engine(SEED)?.propose_operation(change).await?;
    let answer = Ballot::Result(answer);
    decided(network, "a claim without it", claimed, &answer).await?;
    decided(network, "a change without it", changed, &Ballot::Approve).await?;
    let position = network.progress.position(PRIMARY);
    let (now_at, _) = position.unwrap_or_default();
    ensure!(now_at > height, "nothing was sealed without {victim}");
    say(&format!(
        "   They decide a claim and a change of the configuration without it, in {}, its time of grace included.",
        since(begun)
    ));
    let begun = now();
    network.start_child(killed, true).await?;
    let is_back = |network: &Network| {
        let position = network.progress.position(killed);
        position.is_some() && position == network.progress.position(PRIMARY)
    };
    network
        .until("the killed node to catch up", is_back)
        .await?;
    let address = network.members[killed].address();
    say(&format!(
        "   Back from its disk, at {address}, it is in sync after {}: it was at height {height}, and the others at {now_at}.",
        since(begun)
    ));
    Ok(())
}

async fn a_key_is_stolen(network: &mut Network) -> anyhow::Result<()> {
    let (victim, old) = (name(SEED), network.members[SEED].id);
    say(&format!(
        "6. The author key of {victim} is stolen. Its owner has the next key in a drawer, and brings it."
    ));
    let next = network.members[SEED].next.take();
    let next = next.context("it has no next key")?;
    let (key, home) = (next.node_id(), network.members[SEED].home.clone());
    home.keep_next_key(&next)?;
    let engine = network.engine(SEED)?;
    let before = line_of(engine, &old).context("it is no member")?;
    let begun = now();
    let record = sign_succession(&next, engine.network_id(), old, None)?;
    for taken in engine.import(vec![record.encode()]).await? {
        taken?;
    }
    let is_moved = |network: &Network| {
        let mut engines = network.engines();
        engines.all(|engine| line_of(engine, &key).is_some() && line_of(engine, &old).is_none())
    };
    network
        .until("all nodes to know the next key", is_moved)
        .await?;
    for engine in network.engines() {
        let line = line_of(engine, &key).context("the line is gone")?;
        ensure!(
            (&line.name, line.role, line.standing) == (&before.name, before.role, before.standing)
                && line.trust_ppm >= before.trust_ppm
                && line.former == [old],
            "expected the line {before:?} under the next key, found {line:?}"
        );
    }
    say(&format!(
        "   After {}, without a vote, name, role and scores are with the next key in every node's roster.",
        since(begun)
    ));
    // The node still runs with the old key, as a thief's would.
    let change = ConsensusOperation::NetworkConfiguration {
        config_type: "motd".into(),
        proposed_change: b"mine".to_vec(),
    };
    let tried = network.engine(SEED)?.propose_operation(change).await;
    let refused = matches!(
        tried,
        Err(EngineError::Refused(Refusal::Rejected(Rejection::FormerKey(who)))) if who == old
    );
    ensure!(
        refused,
        "expected the old key to be refused, found {tried:?}"
    );
    network.restart(SEED).await?;
    let is_back = |network: &Network| {
        let position = network.progress.position(SEED);
        position.is_some() && position == network.progress.position(PRIMARY)
    };
    network
        .until("it to go on with the next key", is_back)
        .await?;
    let answer = b"72".to_vec();
    let claimed = network.engine(SEED)?;
    let claimed = claimed.propose_claim(claim(8, 9), answer.clone()).await?;
    decided(network, "its claim", claimed, &Ballot::Result(answer)).await?;
    say(&format!(
        "   What the thief signs with the old key is refused; {victim} goes on with the next one, and its claim is decided."
    ));
    Ok(())
}

/// A third is gone for ever, and with it every seal. Those who are left found the network anew.
pub(super) async fn a_third_is_lost(network: &mut Network) -> anyhow::Result<()> {
    let all = network.members.len();
    // The last founders, as many as it takes; the newcomer stays.
    let lost = all.div_ceil(3);
    let founders = all - 1;
    let gone: Vec<usize> = (founders - lost..founders).collect();
    let names: Vec<String> = gone.iter().map(|number| name(*number)).collect();
    say(&format!(
        "7. The disks of {} burn, a third of the votes: nothing can be sealed any more.",
        names.join(" and ")
    ));
    let without: Vec<NodeId> = gone
        .iter()
        .map(|number| network.members[*number].id)
        .collect();
    for number in gone {
        network.lose(number).await?;
    }
    let old = network.genesis.network_id();
    let before = network.engine(PRIMARY)?.roster();
    let begun = now();
    let wish = PlanWish {
        without,
        ..PlanWish::default()
    };
    let planned = network.engine(PRIMARY)?.plan_refounding(&wish)?;
    for engine in network.engines() {
        engine.endorse(&planned.plan, false).await?;
    }
    let has_left = |network: &Network| network.engines().all(|it| it.left_for().is_some());
    network
        .until("the plan to come in force everywhere", has_left)
        .await?;
    network.genesis = planned.founding.genesis().clone();
    let new = network.genesis.network_id();
    for number in network.running() {
        network.restart(number).await?;
    }
    let answer = b"63".to_vec();
    let claimed = network.engine(SEED)?;
    let claimed = claimed.propose_claim(claim(7, 9), answer.clone()).await?;
    decided(network, "a claim", claimed, &Ballot::Result(answer)).await?;
    for engine in network.engines() {
        let follows = engine.genesis().follows.as_ref().map(|it| it.net);
        ensure!(
            engine.network_id() == new && follows == Some(old),
            "expected network {new}, which takes up {old}, found {}",
            engine.network_id()
        );
        for line in engine.roster() {
            let same = before.iter().find(|it| it.node == line.node);
            let same = same.context("somebody new is a member")?;
            ensure!(
                (&line.name, line.role, line.standing) == (&same.name, same.role, same.standing)
                    && line.trust_ppm >= same.trust_ppm,
                "expected the line {same:?} to go along, found {line:?}"
            );
        }
    }
    say(&format!(
        "   The other {} endorse a plan to go on without them. {} later a claim is decided in the new network, with all scores, \
         roles and settings of the old one, by the same nodes in the same directories.",
        network.running().len(),
        since(begun)
    ));
    Ok(())
}

fn line_of(engine: &BFTConsensusEngine, key: &NodeId) -> Option<MemberView> {
    let roster = engine.roster();
    roster.into_iter().find(|member| member.node == *key)
}
