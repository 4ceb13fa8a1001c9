// The page of a running node: everything in it comes from the node's interface, and is put in as text, never as HTML.

const LIST = 50;
const main = document.getElementById("main");
const live = document.getElementById("live");

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

async function ask(path, body) {
  const headers = { Authorization: `Bearer ${token()}` };
  const init = body === undefined ? { headers } : { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const reply = await fetch("/v1" + path, init);
  const answer = await reply.json();
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
const percent = ppm => (ppm / 10000).toFixed(2) + " %";
const spaced = name => String(name).replaceAll("_", " ");

function span(ms) {
  const seconds = Math.round(Math.abs(ms) / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}
function when(ms) {
  if (ms === null || ms === undefined) return "";
  const at = new Date(ms);
  const apart = Date.now() - ms;
  const text = apart >= 0 ? `${span(apart)} ago` : `in ${span(apart)}`;
  return el("time", { datetime: at.toISOString(), title: at.toLocaleString() }, text);
}
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
function table(caption, heads, rows, none = "nothing") {
  if (rows.length === 0) return el("div", {}, el("h2", {}, caption), el("p", { class: "soft" }, none));
  const head = el("tr", {}, ...heads.map(it => el("th", { scope: "col" }, it)));
  const body = rows.map(row => el("tr", {}, ...row.map(cell => el("td", typeof cell === "number" ? { class: "number" } : {}, cell))));
  const made = el("table", {}, el("caption", {}, caption), el("thead", {}, head), el("tbody", {}, ...body));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, made);
}

function operationRows(operations, names) {
  return operations.map(it => [
    operationLink(it.operation), spaced(it.kind), subject(it, names), it.phase, outcome(it.outcome), who(it.proposer, names), at(it.height, it.time_ms),
  ]);
}
const OPERATION_HEADS = ["Operation", "Kind", "Subject", "Phase", "Outcome", "By", "Sealed"];

// Voting, with a question before.
async function confirmed(text) {
  const dialog = document.getElementById("confirm");
  document.getElementById("confirm-text").replaceChildren(text);
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise(done => dialog.addEventListener("close", done, { once: true }));
  return dialog.returnValue === "yes";
}
function voting(id, content) {
  const said = el("span", { role: "status" });
  const vote = async (given, text) => {
    if (!await confirmed(`${text} on operation ${short(id)}`)) return;
    try {
      await ask(`/operations/${id}/vote`, { ballot: given });
      said.textContent = "The vote is signed.";
      soon();
    } catch (failure) {
      said.textContent = failure.message;
    }
  };
  const button = (given, text) => el("button", { type: "button", onclick: () => vote(given, text) }, text);
  if (content.claim_set !== undefined) return el("p", {}, "A claim set is answered by ", el("code", {}, "mycnet vote --results"), " or ", el("code", {}, "mycnet builds"), ". ", button("abstain", "abstain"), said);
  if (content.claim === undefined) return el("p", { class: "buttons" }, button("approve", "approve"), button("reject", "reject"), button("abstain", "abstain"), said);
  const input = el("input", { id: "result", autocomplete: "off" });
  const answer = event => {
    event.preventDefault();
    const hex = [...new TextEncoder().encode(input.value)].map(it => it.toString(16).padStart(2, "0")).join("");
    vote({ result: hex }, `result "${input.value}"`);
  };
  return el("form", { class: "buttons", onsubmit: answer }, el("label", { for: "result" }, "Your result"), input, el("button", {}, "answer"), button("abstain", "abstain"), said);
}

// The views.

async function network() {
  const [status, peers, open] = await Promise.all([ask("/status"), ask("/peers"), ask(`/operations?is_open=true&limit=${LIST}`)]);
  document.getElementById("network").textContent = plain(status.name);
  const notes = [];
  const note = text => notes.push(el("li", {}, text));
  const { clocks, sealing } = status;
  if (status.twin) note("TWIN: another machine runs with this node's key. Neither signs until you say which one lives: mycnet rejoin --this-one-lives");
  if (status.member?.standing === "banned" || status.said_banned > 0) note("This member is banned, or peers say so.");
  if (status.journal_lost) note(`The journal is lost: ${plain(status.journal_lost)}. The node signs nothing but a Rejoin until a seal lists it.`);
  if (status.disk_failed) note("A write to the disk failed: start the node again.");
  if (clocks.own_off_ms !== null) note(`This clock is ${span(clocks.own_off_ms)} ${clocks.own_off_ms < 0 ? "behind" : "ahead of"} those of the peers.`);
  for (const off of clocks.off) note(`The clock of ${plain(off.name ?? short(off.node))} is ${span(off.off_ms)} ${off.off_ms < 0 ? "behind" : "ahead"}.`);
  for (const silent of status.not_signing) note(`${plain(silent.name ?? short(silent.node))} does not sign: ${spaced(silent.signing)}.`);
  if (status.refounding.plans > 0) note("Members want to found the network anew: mycnet refound status");
  const member = status.member;
  const missing = sealing.waits_for.map(node => plain(status.names[node] ?? short(node))).join(", ");
  const turns = status.your_turns.map(turn => el("li", {},
    operationLink(turn.operation, `${spaced(turn.kind)}: ${plain(turn.subject)}`),
    turn.until_ms === null ? "" : el("span", { class: "soft" }, " in time ", when(turn.until_ms)),
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
      ["Sealing", missing && `height ${sealing.height}, ${sealing.step}: waits for ${missing}`],
      ["Not sealed yet", `${status.unsealed_records} records`],
    ),
    el("h2", {}, "Your turn"),
    turns.length > 0 ? el("ul", { class: "turns" }, ...turns) : el("p", { class: "soft" }, "Nothing waits for you."),
    table(`Open operations (${status.open_operations})`, OPERATION_HEADS, operationRows(open.operations, open.names), "No operation is open."),
    table("Peers", ["Member", "Role", "Connection", "Signing, or the last fault", "Clock ahead"], rows, "No peer is known."),
  ];
}

async function operations() {
  const query = new URLSearchParams(location.hash.split("?")[1] ?? "");
  const filter = new URLSearchParams({ limit: LIST });
  for (const name of ["is_open", "class", "after"]) if (query.get(name)) filter.set(name, query.get(name));
  const list = await ask("/operations?" + filter);
  const go = changes => {
    for (const [name, value] of Object.entries(changes)) value ? query.set(name, value) : query.delete(name);
    location.hash = "#/operations?" + query;
  };
  const choice = (name, label, options) => {
    const select = el("select", { id: name, onchange: event => go({ [name]: event.target.value, after: "" }) },
      ...options.map(([value, text]) => el("option", { value, selected: value === (query.get(name) ?? "") }, text)));
    return [el("label", { for: name }, label), select];
  };
  const last = list.operations.at(-1);
  return [
    el("h1", {}, "Operations"),
    el("p", { class: "buttons" }, ...choice("is_open", "State", [["", "all"], ["true", "open"], ["false", "closed"]]),
      ...choice("class", "Class", [["", "all"], ["critical", "critical"], ["claim", "claim"], ["standard", "standard"]])),
    table("From the newest on", OPERATION_HEADS, operationRows(list.operations, list.names), "No operation fits."),
    el("p", { class: "buttons" },
      query.get("after") && el("button", { type: "button", onclick: () => go({ after: "" }) }, "newest"),
      list.operations.length === LIST && el("button", { type: "button", onclick: () => go({ after: last.operation }) }, "older")),
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
    else if (name === "panel") shown = el("span", {}, ...value.flatMap((node, n) => [n > 0 && ", ", who(node, it.names)]));
    else if ((name === "node" || name === "candidate") && typeof value === "string") shown = who(value, it.names);
    else if (typeof value === "object") shown = plain(JSON.stringify(value));
    else shown = plain(value);
    return [spaced(name === kind ? "content" : name), shown];
  });
}

async function operation(id) {
  const it = await ask(`/operations/${id}`);
  const isAsked = it.own_ballot === null && it.phase !== "closed" && it.phase !== "revealing" && it.phase !== "decided";
  const pending = it.waits_for.of?.length > 0 && el("span", {}, `${it.waits_for.records} of `, ...it.waits_for.of.flatMap((node, n) => [n > 0 && ", ", who(node, it.names)]));
  const votes = it.electors.map(elector => [
    memberLink(elector.node, elector.name),
    elector.ballot !== null ? ballot(elector.ballot) : elector.committed ? "committed, not revealed" : it.phase === "closed" ? "nothing" : "not yet",
    elector.weight === null ? "" : elector.weight,
  ]);
  const disputed = it.in_dispute.map(item => [
    plain(item.subject), item.outcome ? ballot(item.outcome) : "none",
    el("span", {}, ...item.results.flatMap(([node, given], n) => [n > 0 && "; ", who(node, it.names), ": ", ballot(given)])),
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
    (it.ballots ?? []).length > 0 && table("Weight for each ballot", ["Ballot", "Weight"], it.ballots.map(([given, weight]) => [ballot(given), weight])),
    votes.length > 0 && table("Who voted what", ["Member", "Vote", "Weight"], votes),
    disputed.length > 0 && table("In dispute", ["Item", "Decided", "Who gave what"], disputed),
  ];
}

async function votes() {
  const list = await ask(`/votes?limit=${LIST}`);
  const rows = list.operations.flatMap(on => on.votes.map(vote => [
    operationLink(on.operation, `${spaced(on.kind)}: ${plain(on.subject)}`), memberLink(vote.node, vote.name),
    vote.ballot === null ? "not revealed" : ballot(vote.ballot), outcome(on.outcome), at(on.height, on.time_ms),
  ]));
  return [el("h1", {}, "Votes"), table("On the newest operations", ["Operation", "Member", "Vote", "Outcome", "Sealed"], rows, "No vote is known.")];
}

async function members() {
  const { members } = await ask("/members");
  const rows = members.map(it => [memberLink(it.node, it.name), it.role, el("span", { class: it.standing === "active" ? "good" : "warn" }, it.standing), percent(it.trust_ppm), percent(it.skill_ppm), el("span", { class: "id" }, short(it.node))]);
  return [el("h1", {}, "Members"), table("Members", ["Name", "Role", "Standing", "Trust", "Skill", "Key"], rows)];
}

// Trust and skill over the changes. The table below says the same in words.
function curves(entries) {
  const [width, height, left, top] = [600, 180, 40, 10];
  const points = entries.map(it => [it.height, it.after_ppm, it.skill_after_ppm]);
  points.unshift([entries[0].height - 1, entries[0].before_ppm, entries[0].skill_before_ppm]);
  const [first, last] = [points[0][0], Math.max(points.at(-1)[0], points[0][0] + 1)];
  const x = at => left + (at - first) / (last - first) * (width - left - 10);
  const y = ppm => top + (1 - ppm / 1e6) * (height - 2 * top - 15);
  const path = n => points.map((it, at) => (at === 0 ? `M${x(it[0])} ${y(it[n])}` : `H${x(it[0])}V${y(it[n])}`)).join("");
  const label = (at, text) => svg("text", { x: 2, y: y(at) + 4 }, text);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Trust from ${percent(points[0][1])} to ${percent(points.at(-1)[1])}, skill from ${percent(points[0][2])} to ${percent(points.at(-1)[2])}` },
    label(1e6, "100 %"), label(5e5, "50 %"), label(0, "0 %"),
    svg("text", { x: left, y: height - 4 }, `height ${first}`), svg("text", { x: width - 80, y: height - 4 }, `height ${last}`),
    svg("path", { class: "curve-trust", d: path(1) }), svg("path", { class: "curve-skill", d: path(2) }));
  return el("figure", {}, picture, el("figcaption", { class: "soft" }, "Trust is the solid line, skill the dashed one."));
}

async function member(id) {
  const [it, roster] = await Promise.all([ask(`/trust?node=${id}&explain=true`), ask("/members")]);
  const line = roster.members.find(known => known.node === id);
  const entries = it.entries ?? [];
  const moved = (before, after) => before === after ? "" : `${percent(before)} → ${percent(after)}`;
  const rows = [...entries].reverse().slice(0, 500).map(entry => [
    at(entry.height, entry.time_ms), moved(entry.before_ppm, entry.after_ppm), moved(entry.skill_before_ppm, entry.skill_after_ppm),
    entry.standing_before === entry.standing ? "" : `${entry.standing_before} → ${entry.standing}`,
    spaced(entry.reason), entry.operation ? operationLink(entry.operation) : "",
  ]);
  return [
    el("h1", {}, it.name ? plain(it.name) : short(id)),
    facts(
      ["Key", el("span", { class: "id" }, id)],
      ["Role", line?.role], ["Standing", it.standing],
      ["Trust", it.trust_ppm !== null && percent(it.trust_ppm)], ["Skill", it.skill_ppm !== null && percent(it.skill_ppm)],
      ["In a row", it.row !== null && it.row > 0 && String(it.row)],
      ["Formerly", line?.former.map(short).join(", ")],
    ),
    entries.length > 0 && el("h2", {}, "Trust and skill"),
    entries.length > 0 && curves(entries),
    table("Changes, from the newest on", ["Sealed", "Trust", "Skill", "Standing", "Why", "Operation"], rows, "No score has changed yet."),
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
const VIEWS = [[/^#\/operations(\?|$)/, operations], [/^#\/operation\/([0-9a-f]{64})$/, operation], [/^#\/votes$/, votes], [/^#\/members$/, members], [/^#\/member\/([0-9a-f]{64})$/, member], [/^#\/events$/, events], [/^(#\/?)?$/, network]];

let showing = 0;
async function show(isNew) {
  const number = ++showing;
  const hash = location.hash;
  const [pattern, view] = VIEWS.find(([pattern]) => pattern.test(hash)) ?? [null, async () => [el("h1", {}, "Nothing is here")]];
  let parts;
  const began = performance.now();
  try {
    parts = await view(...(pattern?.exec(hash)?.slice(1) ?? []));
  } catch (failure) {
    if (failure.kind === "denied") parts = [el("h1", {}, "Who are you?"), el("p", {}, "This page needs the node's token. Open it with the address that ", el("code", {}, "mycnet page"), " prints.")];
    else parts = [el("h1", {}, "The node does not answer"), el("p", {}, plain(failure.message))];
  }
  if (number !== showing) return;
  // What somebody is typing into stays.
  if (!isNew && main.contains(document.activeElement) && document.activeElement.matches("input, select")) return;
  const answered = performance.now();
  main.replaceChildren(...parts.filter(it => it));
  document.title = (main.querySelector("h1")?.textContent ?? "") + " – mycnet";
  for (const link of document.querySelectorAll("nav a")) {
    const isHere = link.hash === "#/" ? /^(#\/?)?$/.test(hash) : hash.startsWith(link.hash) || (link.hash === "#/operations" && hash.startsWith("#/operation/")) || (link.hash === "#/members" && hash.startsWith("#/member/"));
    isHere ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  if (isNew) main.focus({ preventScroll: true });
  document.documentElement.dataset.shownMs = Math.round(performance.now() - answered);
  document.documentElement.dataset.answeredMs = Math.round(answered - began);
  document.documentElement.dataset.view = hash || "#/";
}

// A change is shown soon, and many changes once; not under a finger.
let due = null;
let isPressed = false;
for (const [name, pressed] of [["pointerdown", true], ["pointerup", false], ["pointercancel", false]]) {
  addEventListener(name, () => { isPressed = pressed; }, true);
}
function soon() {
  due ??= setTimeout(() => { due = null; isPressed ? soon() : show(false); }, 300);
}

async function follow() {
  let last = null;
  for (;;) {
    try {
      const from = last ?? String(Math.max(0, (await ask("/seal")).height - 5));
      const reply = await fetch("/v1/events?since=" + from, { headers: { Authorization: `Bearer ${token()}` } });
      if (!reply.ok) throw new Failure("denied", "");
      live.textContent = "live";
      let rest = "";
      const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        rest += value;
        const blocks = rest.split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) {
          const data = block.split("\n").find(line => line.startsWith("data: "));
          if (!data) continue;
          const event = JSON.parse(data.slice(6));
          if (event.id) last = event.id;
          feed.unshift(event);
          feed.length = Math.min(feed.length, 300);
          soon();
        }
      }
    } catch { /* asked again below */ }
    live.textContent = "not connected";
    await new Promise(done => setTimeout(done, 1000));
  }
}

addEventListener("hashchange", () => show(true));
show(true);
if (token()) follow();
