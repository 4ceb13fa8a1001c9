// The page of a running node: everything in it comes from the node's interface, and is put in as text, never as HTML.

const LIST = 50;
// Rows of a table at first, and changes of a member's scores at once: what a browser lays out stays small, however long the ledger is.
const ROWS = 100;
const CHANGES = 200;
const SEVERAL = 20;
const main = document.getElementById("main");
const live = document.getElementById("live");
const said = document.getElementById("said");
const dialog = document.getElementById("confirm");

// The token comes behind the # of the address, which no server sees, and leaves it at once.
const given = /^#token=([0-9a-f]+)$/.exec(location.hash);
if (given) {
  sessionStorage.setItem("token", given[1]);
  history.replaceState(null, "", location.pathname + "#/");
}
const token = () => sessionStorage.getItem("token") ?? "";

class Failure extends Error {
  constructor(kind, message) { super(message); this.kind = kind; }
}

// When the last answer had arrived: what comes after it is the page's own time.
let answered = 0;
async function ask(path, body) {
  const headers = { Authorization: `Bearer ${token()}` };
  const init = body === undefined ? { headers } : { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const reply = await fetch("/v1" + path, init);
  const text = await reply.text();
  answered = performance.now();
  const answer = JSON.parse(text);
  if (!reply.ok) throw new Failure(answer.kind, answer.message);
  return answer;
}

// Elements: el("p", {class: "soft"}, "text", other).
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter(it => it !== null && it !== undefined && it !== false));
  return made;
}
function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// What others wrote may not turn the direction of a line or hide anything.
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const plain = text => String(text).replace(INVISIBLE, c => "\\u{" + c.codePointAt(0).toString(16) + "}");
const short = id => String(id).slice(0, 8);
const percent = ppm => (ppm / 10000).toFixed(2) + "\u00a0%";
const capital = text => text.charAt(0).toUpperCase() + text.slice(1);
const spaced = name => String(name).replaceAll("_", " ");

function span(ms) {
  const seconds = Math.round(Math.abs(ms) / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}
function apart(ms) {
  const past = Date.now() - ms;
  return past >= 0 ? `${span(past)} ago` : `in ${span(past)}`;
}
// Made once: making one takes longer than a whole row.
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
function when(ms) {
  if (ms === null || ms === undefined) return "";
  const at = new Date(ms);
  return el("time", { datetime: at.toISOString(), title: EXACT.format(at) }, apart(ms));
}
// A quiet network sends nothing, and its times grow all the same.
setInterval(() => {
  for (const time of main.querySelectorAll("time")) time.textContent = apart(Date.parse(time.dateTime));
}, 20000);
const at = (height, ms) => height === null || height === undefined ? "" : el("span", {}, `height ${height}, `, when(ms));

function bytes(hex) {
  const raw = Uint8Array.from(hex.match(/../g) ?? [], it => parseInt(it, 16));
  try {
    return JSON.stringify(new TextDecoder("utf-8", { fatal: true }).decode(raw));
  } catch {
    return "hex:" + hex;
  }
}
function ballot(given) {
  if (given === null || given === undefined) return "";
  if (typeof given === "string") return given;
  if (given.result !== undefined) return "result " + plain(bytes(given.result));
  if (given.results !== undefined) return `${given.results.filter(it => it !== null).length} of ${given.results.length} results`;
  return plain(JSON.stringify(given));
}
function outcome(given) {
  if (given === null || given === undefined) return "";
  return given === "no_quorum" ? "no quorum" : ballot(given.decided);
}

const memberLink = (node, name) => el("a", { href: `#/member/${node}` }, name ? plain(name) : short(node));
const who = (node, names) => memberLink(node, names?.[node]);
// The first ones of a list, and how many others there are.
function several(all, shown, between = ", ") {
  const first = all.slice(0, SEVERAL).flatMap((it, n) => [n > 0 && between, shown(it)].flat());
  return el("span", {}, ...first.filter(it => it), all.length > SEVERAL && ` and ${all.length - SEVERAL} more`);
}
const those = (nodes, names) => several(nodes, node => who(node, names));
const operationLink = (id, text) => el("a", { href: `#/operation/${id}` }, text ?? short(id));
function subject(line, names) {
  return /^[0-9a-f]{64}$/.test(line.subject) ? who(line.subject, names) : plain(line.subject);
}

// Pairs, of which empty ones are left out.
function facts(...pairs) {
  const list = el("dl");
  for (const [name, value] of pairs) {
    if (value === null || value === undefined || value === "" || value === false) continue;
    list.append(el("dt", {}, name), el("dd", {}, value));
  }
  return list;
}
// How many rows of which table were asked for, as long as its view is shown.
const opened = new Map();
function table(caption, heads, rows, none = "nothing") {
  if (rows.length === 0) return el("div", {}, el("h2", {}, caption), el("p", { class: "soft" }, none));
  const head = el("tr", {}, ...heads.map(it => el("th", { scope: "col" }, it)));
  const row = cells => el("tr", {}, ...cells.map(cell => el("td", typeof cell === "number" ? { class: "number" } : {}, cell)));
  const body = el("tbody");
  const made = el("table", {}, el("caption", {}, caption), el("thead", {}, head), body);
  const scroll = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, made);
  const add = upTo => {
    body.append(...rows.slice(body.rows.length, upTo).map(row));
    const left = rows.length - body.rows.length;
    more.textContent = `${Math.min(left, ROWS)} more of ${left}`;
    more.hidden = left === 0;
  };
  const more = el("button", { type: "button", onclick: () => {
    opened.set(caption, body.rows.length + ROWS);
    add(opened.get(caption));
  } });
  add(opened.get(caption) ?? ROWS);
  return el("div", {}, scroll, more);
}

// What the address says behind the ?, and how to change it.
const query = () => new URLSearchParams(location.hash.split("?")[1] ?? "");
function go(changes) {
  const asked = query();
  for (const [name, value] of Object.entries(changes)) value ? asked.set(name, value) : asked.delete(name);
  const text = asked.toString();
  location.hash = location.hash.split("?")[0] + (text && "?" + text);
}
// The parameters of a question: those of the address that the path has, and a limit.
function filter(limit, ...names) {
  const asked = new URLSearchParams({ limit });
  for (const name of names) if (query().get(name)) asked.set(name, query().get(name));
  return asked;
}
function choice(name, label, options, cursor) {
  const chosen = query().get(name) ?? "";
  const select = el("select", { id: name, onchange: event => go({ [name]: event.target.value, [cursor]: "" }) },
    ...options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
  return el("span", {}, el("label", { for: name }, label), " ", select);
}
// Where a list is newest, and where it goes on.
const pages = (cursor, older) => el("p", { class: "buttons" },
  query().get(cursor) && el("button", { type: "button", onclick: () => go({ [cursor]: "" }) }, "newest"),
  older && el("button", { type: "button", onclick: () => go({ [cursor]: String(older) }) }, "older"));
const byMember = (roster, cursor) => choice("by", "Member", [["", "all"], ...roster.members.map(it => [it.node, plain(it.name)])], cursor);

function operationRows(operations, names) {
  return operations.map(it => [
    operationLink(it.operation), spaced(it.kind), subject(it, names), it.phase, outcome(it.outcome), who(it.proposer, names), at(it.height, it.time_ms),
  ]);
}
const OPERATION_HEADS = ["Operation", "Kind", "Subject", "Phase", "Outcome", "By", "Sealed"];

// Voting, with a question before.
async function confirmed(what, text, note) {
  document.getElementById("confirm-title").textContent = what + "?";
  document.getElementById("confirm-text").textContent = text;
  document.getElementById("confirm-note").textContent = note;
  document.getElementById("confirm-yes").textContent = what;
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise(done => dialog.addEventListener("close", done, { once: true }));
  return dialog.returnValue === "yes";
}
// Orders something about an operation: the word for it, what it says, and how it is told afterwards.
async function order(id, path, body, what, text, note, done) {
  const title = main.querySelector("h1").textContent;
  if (!await confirmed(what, `${text} on operation ${short(id)}, ${title}`, note)) return;
  try {
    await ask(`/operations/${id}/${path}`, body);
    said.textContent = done;
    // What was typed is said, so that the view may change.
    main.focus({ preventScroll: true });
    soon();
  } catch (failure) {
    said.textContent = plain(failure.message);
  }
}
const press = (text, act) => el("button", { type: "button", onclick: act }, text);
function voting(id, content) {
  const vote = (given, text) => order(id, "vote", { ballot: given }, "Vote", text, "A vote cannot be changed. Others see it once all votes are in.", "The vote is signed.");
  const button = given => press(given, () => vote(given, given));
  if (content.claim_set !== undefined) return el("p", {}, "A claim set is answered by ", el("code", {}, "mycnet vote --results"), " or ", el("code", {}, "mycnet builds"), ". ", button("abstain"));
  if (content.claim === undefined) return el("p", { class: "buttons" }, button("approve"), button("reject"), button("abstain"));
  const input = el("input", { id: "result", autocomplete: "off" });
  const answer = event => {
    event.preventDefault();
    const hex = [...new TextEncoder().encode(input.value)].map(it => it.toString(16).padStart(2, "0")).join("");
    vote({ result: hex }, `result "${input.value}"`);
  };
  return el("form", { class: "buttons", onsubmit: answer }, el("label", { for: "result" }, "Your result"), input, el("button", {}, "answer"), button("abstain"));
}
// What the Primary and the Seeds say about a standard operation.
function authority(id, records) {
  const note = "It cannot be changed, and all members see it.";
  if (records === "objections") {
    const input = el("input", { id: "reason", autocomplete: "off", required: true });
    const object = event => {
      event.preventDefault();
      order(id, "objection", { reason: input.value }, "Object", `"${input.value}"`, note, "The objection is signed.");
    };
    return el("form", { class: "buttons", onsubmit: object }, el("label", { for: "reason" }, "Your reason"), input, el("button", {}, "object"));
  }
  const [path, what] = records === "directive" ? ["directive", "Decide"] : ["resolution", "Resolve"];
  const button = (approve, text) => press(text, () => order(id, path, { approve }, what, text, note, `The ${path} is signed.`));
  return el("p", { class: "buttons" }, button(true, "approve"), button(false, "reject"));
}

// The views.

async function network() {
  const [status, peers, open] = await Promise.all([ask("/status"), ask("/peers"), ask(`/operations?is_open=true&limit=${LIST}`)]);
  document.getElementById("network").textContent = plain(status.name);
  const notes = [];
  const note = text => notes.push(el("li", {}, text));
  const { clocks, sealing } = status;
  const twinAt = status.twin?.addresses.length > 0 ? `, at ${plain(status.twin.addresses.join(", "))},` : "";
  if (status.twin) note(`TWIN: another machine${twinAt} runs with this node's key. Neither signs until you say which one lives: mycnet rejoin --this-one-lives`);
  if (status.member?.standing === "banned" || status.said_banned > 0) note("This member is banned, or peers say so.");
  if (status.journal_lost) note(`The journal is lost: ${plain(status.journal_lost)}. The node signs nothing but a Rejoin until a seal lists it.`);
  if (status.disk_failed) note("A write to the disk failed: start the node again.");
  if (clocks.own_off_ms !== null) note(`This clock is ${span(clocks.own_off_ms)} ${clocks.own_off_ms < 0 ? "behind" : "ahead of"} those of the peers.`);
  for (const off of clocks.off) note(`The clock of ${plain(off.name ?? short(off.node))} is ${span(off.off_ms)} ${off.off_ms < 0 ? "behind" : "ahead"}.`);
  for (const silent of status.not_signing) note(`${plain(silent.name ?? short(silent.node))} does not sign: ${spaced(silent.signing)}.`);
  if (status.refounding.plans > 0) note("Members want to found the network anew: mycnet refound status");
  const member = status.member;
  const turns = status.your_turns.map(turn => el("li", {},
    operationLink(turn.operation, `${spaced(turn.kind)}: ${plain(turn.subject)}`),
    turn.until_ms === null ? "" : turn.until_ms > Date.now()
      ? el("span", { class: "soft" }, " counted for certain ", when(turn.until_ms))
      : el("span", { class: "soft" }, " counted if it comes before the others' are opened"),
    turn.weight === 0 && el("span", { class: "soft" }, " (your vote has no weight yet: it is shown and scored)")));
  const rows = peers.peers.filter(it => it.node !== status.node).map(it => [
    it.node ? memberLink(it.node, it.name) : short(it.endpoint ?? "?"), it.role ?? "",
    el("span", { class: it.connected ? "good" : "soft" }, it.connected ? "connected" : "not connected"),
    it.connected ? spaced(it.signing ?? "") : plain(it.last_fault ?? ""),
    it.clock_ahead_ms === null || it.clock_ahead_ms === undefined ? "" : `${it.clock_ahead_ms} ms`,
  ]);
  return [
    el("h1", {}, plain(status.name)),
    notes.length > 0 && el("ul", { class: "notes" }, ...notes),
    facts(
      ["Height", el("span", {}, `${status.height}, sealed `, when(status.seal_ms))],
      ["This node", member ? el("span", {}, memberLink(member.node, member.name), `, ${member.role}, ${member.standing}, trust ${percent(member.trust_ppm)}, skill ${percent(member.skill_ppm)}`) : "no member"],
      ["Members", String(status.members)],
      ["Connected", status.peers === null ? "" : String(status.peers)],
      ["Sealers", status.sealers?.too_few && el("span", {}, `${status.sealers.connected} of ${sealing.sealers.length} connected here, and ${status.sealers.needed} needed: nothing is sealed without `, those(status.sealers.absent, status.names))],
      ["Sealing", sealing.waits_for.length > 0 && el("span", {}, `height ${sealing.height}, ${sealing.step}: waits for `, those(sealing.waits_for, status.names))],
      ["Not sealed yet", `${status.unsealed_records} records`],
    ),
    el("h2", {}, "Your turn"),
    turns.length > 0 ? el("ul", { class: "turns" }, ...turns) : el("p", { class: "soft" }, "Nothing waits for you."),
    table(`Open operations (${status.open_operations})`, OPERATION_HEADS, operationRows(open.operations, open.names), "No operation is open."),
    table("Peers", ["Member", "Role", "Connection", "Signing, or the last fault", "Clock ahead"], rows, "No peer is known."),
  ];
}

const KINDS = ["network_configuration", "security_policy_update", "trust_score_modification", "node_admission", "node_exclusion", "spore_assignment",
  "service_deployment", "resource_allocation", "routine_maintenance", "performance_optimization", "claim", "claim_set"];
async function operations() {
  const [list, roster] = await Promise.all([ask("/operations?" + filter(LIST, "is_open", "class", "kind", "by", "after")), ask("/members")]);
  return [
    el("h1", {}, query().get("kind") === "claim_set" ? "Claim sets" : "Operations"),
    el("p", { class: "buttons" },
      choice("is_open", "State", [["", "all"], ["true", "open"], ["false", "closed"]], "after"),
      choice("class", "Class", [["", "all"], ["critical", "critical"], ["claim", "claim"], ["standard", "standard"]], "after"),
      choice("kind", "Kind", [["", "all"], ...KINDS.map(it => [it, spaced(it)])], "after"),
      byMember(roster, "after")),
    table("From the newest on", OPERATION_HEADS, operationRows(list.operations, list.names), "No operation fits."),
    pages("after", list.operations.length === LIST && list.operations.at(-1).operation),
  ];
}

function content(it) {
  const [kind, fields] = Object.entries(it.content)[0];
  const BYTES = ["proposed_change", "content", "manifest", "allocation", "details", "input"];
  const isSaid = ([name, value]) => value !== null && value !== "" && !(name === "subject" && value === it.subject);
  return Object.entries(fields).filter(isSaid).map(([name, value]) => {
    let shown = value;
    if (BYTES.includes(name)) shown = plain(bytes(value));
    else if (name === "rule") shown = (value.share_ppm === 0 ? "plurality" : `more than ${percent(value.share_ppm)} of the weight that answers`) + (value.electors > 1 ? `, at least ${value.electors} electors` : "");
    else if (name === "items") shown = `${value.length} items`;
    else if (name === "panel") shown = those(value, it.names);
    else if ((name === "node" || name === "candidate") && typeof value === "string") shown = who(value, it.names);
    else if (typeof value === "object") shown = plain(JSON.stringify(value));
    else shown = plain(value);
    return [capital(spaced(name === kind ? "content" : name)), shown];
  });
}

async function operation(id) {
  const [it, keys] = await Promise.all([ask(`/operations/${id}`), ask("/keys")]);
  const me = keys.member?.node;
  const isElector = it.opened_height === null || it.electors.some(elector => elector.node === me);
  const isAsked = me && isElector && it.own_ballot === null && !["authority", "revealing", "decided", "closed"].includes(it.phase);
  const waited = it.waits_for.of ?? [];
  const pending = waited.length > 0 && el("span", {}, `${it.waits_for.records} of `, those(waited, it.names));
  const isAuthority = ["directive", "objections", "resolutions"].includes(it.waits_for.records) && waited.includes(me);
  const votes = it.electors.map(elector => [
    memberLink(elector.node, elector.name),
    elector.ballot !== null ? ballot(elector.ballot) : elector.committed ? "committed, not revealed" : it.phase === "closed" ? "nothing" : "not yet",
    elector.weight === null ? "" : elector.weight,
  ]);
  const weight = it.class === "claim" ? "Weight (millionths of skill)" : "Weight";
  const results = it.outcome?.decided?.results ?? [];
  const items = (it.content.claim_set?.items ?? []).map((item, n) => [
    plain(item.subject), results[n] ? plain(bytes(results[n])) : it.outcome ? "none" : "",
    it.in_dispute.some(other => other.subject === item.subject) ? el("span", { class: "warn" }, "in dispute") : it.outcome ? "agree" : "",
  ]);
  const disputed = it.in_dispute.map(item => [
    plain(item.subject), item.outcome ? ballot(item.outcome) : "none",
    several(item.results, ([node, given]) => [who(node, it.names), ": ", ballot(given)], "; "),
  ]);
  return [
    el("h1", {}, `${spaced(it.kind)}: `, subject(it, it.names)),
    facts(
      ["Operation", el("span", { class: "id" }, it.operation)],
      ["Class", it.class],
      ...content(it),
      ["Proposed by", who(it.proposer, it.names)],
      ["Priority", it.priority === "high" && "high"],
      ["Phase", el("span", {}, it.phase, it.opened_ms ? ", opened " : "", when(it.opened_ms))],
      ["Outcome", it.outcome && el("span", {}, outcome(it.outcome), `, final at height ${it.decided_height}, `, when(it.decided_ms))],
      ["Why", it.why && plain(it.why)],
      ["Effect", it.applied === true ? "applied" : it.refused_effect && `none: ${plain(it.refused_effect)}`],
      ["Tallied", !it.outcome && it.tallied && outcome(it.tallied)],
      ["Your vote", ballot(it.own_ballot)],
      ["Waits for", pending],
      ["Window", it.window && el("span", {}, when(it.window.due_ms), `: ${plain(it.window.then)}`)],
      ...it.directives.map(made => ["Directive", el("span", {}, made.approve ? "approve" : "reject", " by ", who(made.author, it.names))]),
      ...it.objections.map(made => ["Objection", el("span", {}, who(made.author, it.names), `: ${plain(made.reason)}`)]),
      ...it.resolutions.map(made => ["Resolution", el("span", {}, made.approve ? "approve" : "reject", " by ", who(made.author, it.names))]),
    ),
    isAsked && el("h2", {}, "Vote"),
    isAsked && voting(it.operation, it.content),
    isAuthority && el("h2", {}, { directive: "Decide", objections: "Object", resolutions: "Resolve" }[it.waits_for.records]),
    isAuthority && authority(it.operation, it.waits_for.records),
    (it.ballots ?? []).length > 0 && table("Weight for each ballot", ["Ballot", weight], it.ballots.map(([given, weight]) => [ballot(given), weight])),
    votes.length > 0 && table("Who voted what", ["Member", "Vote", weight], votes),
    disputed.length > 0 && table("In dispute", ["Item", "Decided", "Who gave what"], disputed),
    items.length > 0 && table("Items", ["Item", "Decided", "Answers"], items),
  ];
}

async function votes() {
  const [list, roster] = await Promise.all([ask("/votes?" + filter(LIST, "by", "after")), ask("/members")]);
  const rows = list.operations.flatMap(on => on.votes.map(vote => [
    operationLink(on.operation, `${spaced(on.kind)}: ${plain(on.subject)}`), memberLink(vote.node, vote.name),
    vote.ballot === null ? "not revealed" : ballot(vote.ballot), outcome(on.outcome), at(on.height, on.time_ms),
  ]));
  return [
    el("h1", {}, "Votes"),
    el("p", { class: "buttons" }, byMember(roster, "after")),
    table("From the newest operations on", ["Operation", "Member", "Vote", "Outcome", "Sealed"], rows, "No vote is known."),
    pages("after", list.operations.length === LIST && list.operations.at(-1).operation),
  ];
}

async function seals() {
  const list = await ask("/seals?" + filter(LIST, "before"));
  const rows = list.seals.map(it => [
    it.height, when(it.time_ms), it.proposer ? who(it.proposer, list.names) : "", it.round, it.records,
    `${it.signed.length} of ${it.signed.length + it.missing.length}`,
    it.missing.length === 0 ? "" : those(it.missing, list.names), el("span", { class: "id" }, short(it.seal)),
  ]);
  const last = list.seals.at(-1)?.height ?? 0;
  return [
    el("h1", {}, "Seals"),
    el("p", { class: "soft" }, "A seal needs more than two thirds of the sealers. Who is missing here may have signed later."),
    table("From the newest on", ["Height", "Sealed", "Proposed by", "Round", "Records", "Signed", "Missing", "Seal"], rows, "Nothing is sealed yet."),
    pages("before", last > 1 && last),
  ];
}

async function members() {
  const [{ members }, { evidence }] = await Promise.all([ask("/members"), ask("/evidence")]);
  const rows = members.map(it => [memberLink(it.node, it.name), it.role, el("span", { class: it.standing === "active" ? "good" : "warn" }, it.standing), percent(it.trust_ppm), percent(it.skill_ppm), el("span", { class: "id" }, short(it.node))]);
  const twice = evidence.map(it => [memberLink(it.author, it.name), spaced(it.statement), it.operation ? operationLink(it.operation) : ""]);
  return [
    el("h1", {}, "Members"),
    table("All members", ["Name", "Role", "Standing", "Trust", "Skill", "Key"], rows),
    twice.length > 0 && table("Who signed two statements where one is allowed", ["Member", "Statement", "Operation"], twice),
  ];
}

// Trust and skill over the changes. The table below says the same in words.
function curves(entries) {
  // Letters keep their size on a narrow screen, which shows the other picture.
  return el("figure", {}, curve(entries, 320, "narrow"), curve(entries, 640, "wide"), el("figcaption", { class: "soft" }, "Trust is the solid line, skill the dashed one."));
}
function curve(entries, width, screen) {
  const [height, left, top] = [180, 45, 10];
  // Of several changes at one height only the last one is a point: the steps between them took no time.
  const points = entries.filter((it, n) => it.height !== entries[n + 1]?.height).map(it => [it.height, it.after_ppm, it.skill_after_ppm]);
  points.unshift([entries[0].height - 1, entries[0].before_ppm, entries[0].skill_before_ppm]);
  const [first, last] = [points[0][0], Math.max(points.at(-1)[0], points[0][0] + 1)];
  const x = at => left + (at - first) / (last - first) * (width - left - 10);
  const y = ppm => top + (1 - ppm / 1e6) * (height - 2 * top - 15);
  const path = n => points.map((it, at) => (at === 0 ? `M${x(it[0])} ${y(it[n])}` : `H${x(it[0])}V${y(it[n])}`)).join("");
  const label = (at, text) => svg("text", { x: 2, y: y(at) + 4 }, text);
  return svg("svg", { class: screen, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Trust from ${percent(points[0][1])} to ${percent(points.at(-1)[1])}, skill from ${percent(points[0][2])} to ${percent(points.at(-1)[2])}` },
    label(1e6, "100 %"), label(5e5, "50 %"), label(0, "0 %"),
    svg("text", { x: left, y: height - 4 }, `height ${first}`), svg("text", { x: width - 10, y: height - 4, "text-anchor": "end" }, `height ${last}`),
    svg("path", { class: "curve-trust", d: path(1) }), svg("path", { class: "curve-skill", d: path(2) }));
}

async function member(id) {
  const [it, roster] = await Promise.all([ask(`/trust?node=${id}&explain=true&${filter(CHANGES, "at")}`), ask("/members")]);
  const line = roster.members.find(known => known.node === id);
  const entries = it.entries ?? [];
  const moved = (before, after) => before === after ? "" : `${percent(before)} → ${percent(after)}`;
  const rows = entries.toReversed().map(entry => [
    at(entry.height, entry.time_ms), moved(entry.before_ppm, entry.after_ppm), moved(entry.skill_before_ppm, entry.skill_after_ppm),
    entry.standing_before === entry.standing ? "" : `${entry.standing_before} → ${entry.standing}`,
    spaced(entry.reason), entry.operation ? operationLink(entry.operation) : "",
  ]);
  return [
    el("h1", {}, it.name ? plain(it.name) : short(id)),
    facts(
      ["Key", el("span", { class: "id" }, id)],
      ["At height", query().get("at") && String(it.height)],
      ["Role", line?.role], ["Standing", it.standing],
      ["Trust", it.trust_ppm !== null && percent(it.trust_ppm)], ["Skill", it.skill_ppm !== null && percent(it.skill_ppm)],
      ["In a row", it.row !== null && it.row > 0 && String(it.row)],
      ["Formerly", line?.former.map(short).join(", ")],
    ),
    entries.length > 0 && el("h2", {}, "Trust and skill"),
    entries.length > 0 && curves(entries),
    table("Changes, from the newest on", ["Sealed", "Trust", "Skill", "Standing", "Why", "Operation"], rows, "No score has changed yet."),
    pages("at", it.earlier),
  ];
}

const feed = [];
function eventText(it) {
  switch (it.event) {
    case "sealed": return ["sealed height ", String(it.height)];
    case "operation": return ["operation ", operationLink(it.operation), ` (${spaced(it.kind)}, ${plain(it.subject)}) is ${it.phase}`, it.outcome ? `, ${outcome(it.outcome)}` : ""];
    case "trust": return [memberLink(it.node, it.name), `: ${spaced(it.entry.reason)}, trust ${percent(it.entry.after_ppm)}, skill ${percent(it.entry.skill_after_ppm)}`];
    case "member": return [memberLink(it.node, it.line?.name), it.line ? ` is ${it.line.role}, ${it.line.standing}` : " is no member any more"];
    case "your_turn": return ["your turn: ", operationLink(it.operation), ` (${spaced(it.kind)}, ${plain(it.subject)})`];
    case "parameter": return [`parameter ${plain(it.name)} is ${it.value}`];
    case "config": return [`configuration ${plain(it.key)}: ${it.value === null ? "removed" : plain(bytes(it.value))}`];
    default: return [plain(JSON.stringify(it))];
  }
}
async function events() {
  const items = feed.map(it => el("li", {}, it.id ? el("span", { class: "id soft" }, it.id, " ") : "", ...eventText(it), it.time_ms ? el("span", { class: "soft" }, " ", when(it.time_ms)) : ""));
  return [el("h1", {}, "Events"), el("p", { class: "soft" }, "The last ones since this page was opened, and of the last heights before."), items.length > 0 ? el("ol", { class: "events" }, ...items) : el("p", { class: "soft" }, "Nothing has happened yet.")];
}

// Which view the address means.
const ID = "([0-9a-f]{64})";
const VIEWS = [["operations", operations], ["operation/" + ID, operation], ["votes", votes], ["seals", seals], ["members", members], ["member/" + ID, member], ["events", events], ["", network]]
  .map(([path, view]) => [new RegExp(`^#/${path}(?:\\?.*)?$`), view]);
const here = () => location.hash.length < 2 ? "#/" : location.hash;
// The link under which a view is.
const OF = [[/^#\/operations\?(.*&)?kind=claim_set/, "#/operations?kind=claim_set"], [/^#\/operation/, "#/operations"], [/^#\/member/, "#/members"]];

// Shows other elements. How far tables were moved stays so, and so does the focus where the same is there again; in another view only a
// choice keeps it, which was made there.
function replace(parts, isNew) {
  const of = node => `${node.localName} ${node.id || (node.getAttribute("href") ?? node.getAttribute("aria-label") ?? node.textContent)}`;
  const active = document.activeElement;
  const isKept = active !== main && main.contains(active) && (!isNew || active.matches("select"));
  const moved = new Map([...main.querySelectorAll(".scroll")].map(it => [of(it), it.scrollLeft]));
  main.replaceChildren(...parts.filter(it => it));
  for (const it of main.querySelectorAll(".scroll")) it.scrollLeft = moved.get(of(it)) ?? 0;
  const same = isKept && [...main.querySelectorAll("a, button, select, [tabindex]")].find(it => of(it) === of(active));
  if (isNew || isKept) (same || main).focus({ preventScroll: true });
}

async function parts(hash) {
  const unknown = [el("h1", {}, "Who are you?"), el("p", {}, "This page needs the node's token. Open it with the address that ", el("code", {}, "mycnet page"), " prints.")];
  if (!token()) return unknown;
  const [pattern, view] = VIEWS.find(([pattern]) => pattern.test(hash)) ?? [null, async () => [el("h1", {}, "Nothing is here")]];
  try {
    return await view(pattern?.exec(hash)[1]);
  } catch (failure) {
    if (failure.kind === "denied") return unknown;
    return [el("h1", {}, failure.kind ? "The node refuses" : "The node does not answer"), el("p", {}, plain(failure.message))];
  }
}

let showing = 0;
async function show(isNew) {
  const number = ++showing;
  const hash = here();
  if (isNew) {
    opened.clear();
    said.textContent = "";
  }
  answered = performance.now();
  const made = await parts(hash);
  if (number !== showing) return;
  // What somebody is typing into stays.
  if (!isNew && main.contains(document.activeElement) && document.activeElement.matches("input, select")) return;
  replace(made, isNew);
  document.title = (main.querySelector("h1")?.textContent ?? "") + " – mycnet";
  const of = OF.find(([pattern]) => pattern.test(hash))?.[1] ?? hash.split("?")[0];
  for (const link of document.querySelectorAll("nav a")) {
    link.getAttribute("href") === of ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  // For who measures: which view is shown, and how long that took after the last answer.
  document.documentElement.dataset.ownMs = (performance.now() - answered).toFixed(1);
  document.documentElement.dataset.view = hash;
  performance.mark("shown");
}

// A change is shown soon, and many changes once; not under a finger.
let due = null;
let isPressed = false;
for (const [name, pressed] of [["pointerdown", true], ["pointerup", false], ["pointercancel", false]]) {
  addEventListener(name, () => { isPressed = pressed; }, true);
}
function soon() {
  due ??= setTimeout(() => { due = null; isPressed || dialog.open ? soon() : show(false); }, 300);
}

function take(event) {
  // A stream begins with what waits, also if it was told before.
  const again = event.event === "your_turn" ? feed.findIndex(it => it.event === "your_turn" && it.operation === event.operation) : -1;
  if (again >= 0) feed.splice(again, 1);
  feed.unshift(event);
  feed.length = Math.min(feed.length, 300);
  soon();
}

// Gives the stream's events until it ends.
async function listen(from, heard) {
  const reply = await fetch("/v1/events?since=" + from, { headers: { Authorization: `Bearer ${token()}` } });
  if (!reply.ok) throw new Failure((await reply.json()).kind, "");
  live.textContent = "live";
  // The node may have been away, and have said so in place of a view.
  soon();
  let rest = "";
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").find(line => line.startsWith("data: "));
      if (data) heard(JSON.parse(data.slice(6)));
    }
  }
}
async function follow() {
  let last = null;
  for (;;) {
    try {
      last ??= String(Math.max(0, (await ask("/seal")).height - 5));
      await listen(last, event => {
        last = event.id ?? last;
        take(event);
      });
    } catch (failure) {
      if (failure.kind === "denied") {
        live.textContent = "denied";
        return;
      }
    }
    live.textContent = "not connected";
    await new Promise(done => setTimeout(done, 1000));
  }
}

addEventListener("hashchange", () => show(true));
// The address says which view is shown, and stays as it is.
document.querySelector(".skip").addEventListener("click", event => {
  event.preventDefault();
  main.focus();
});
show(true);
if (token()) follow();
