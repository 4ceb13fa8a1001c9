// Reads published documents: `node reader.js ADDRESS URL OPERATION`. Prints the ledger, writes into its own copy, prints the ledger
// again once the operation is closed, and then the operation's own document.

import { Repo, stringifyAutomergeUrl } from "@automerge/automerge-repo"
import { WebSocketClientAdapter } from "@automerge/automerge-repo-network-websocket"

// The first 16 bytes of the id, marked as a random UUID.
function urlOf(id) {
  const bytes = Uint8Array.from(Buffer.from(id.slice(0, 32), "hex"))
  bytes[6] = (bytes[6] & 0x0f) | 0x40
  bytes[8] = (bytes[8] & 0x3f) | 0x80
  return stringifyAutomergeUrl({ documentId: bytes })
}

const [address, url, operation] = process.argv.slice(2)
const repo = new Repo({ network: [new WebSocketClientAdapter(address)] })
const handle = await repo.find(url)
console.log(JSON.stringify(handle.doc()))

// Nobody else may get this.
handle.change(document => { document.hostile = "it was here" })
handle.broadcast({ hostile: true })
const own = repo.create({ hostile: true })
console.log(JSON.stringify({ own: own.url }))

const isClosed = () => String(handle.doc().operations[operation]?.phase) === "closed"
if (!isClosed()) {
  await new Promise(resolve => handle.on("change", () => isClosed() && resolve()))
}
console.log(JSON.stringify(handle.doc()))
const votes = await repo.find(urlOf(operation))
const isRevealed = () => Object.keys(votes.doc().reveals).length > 0
if (!isRevealed()) {
  await new Promise(resolve => votes.on("change", () => isRevealed() && resolve()))
}
console.log(JSON.stringify(votes.doc()))

// A document that is only here is not to be found there.
const other = new Repo({ network: [new WebSocketClientAdapter(address)] })
const found = await other.find(own.url).then(() => true, () => false)
console.log(JSON.stringify({ found }))
process.exit(0)
