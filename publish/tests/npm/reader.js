// Reads a published document: `node reader.js ADDRESS URL OPERATION`. Prints what it finds, writes into its own copy, and prints the
// document again once the operation is closed.

import { Repo } from "@automerge/automerge-repo"
import { WebSocketClientAdapter } from "@automerge/automerge-repo-network-websocket"

const [address, url, operation] = process.argv.slice(2)
const repo = new Repo({ network: [new WebSocketClientAdapter(address)] })
const handle = await repo.find(url)
console.log(JSON.stringify(handle.doc()))

// Nobody else may get this.
handle.change(document => { document.hostile = "it was here" })
handle.broadcast({ hostile: true })
const own = repo.create({ hostile: true })
console.log(JSON.stringify({ own: own.url }))

const closed = () => handle.doc().closed[operation]
if (!closed()) {
  await new Promise(resolve => handle.on("change", () => closed() && resolve()))
}
console.log(JSON.stringify(handle.doc()))

// A document that is only here is not to be found there.
const other = new Repo({ network: [new WebSocketClientAdapter(address)] })
const found = await other.find(own.url).then(() => true, () => false)
console.log(JSON.stringify({ found }))
process.exit(0)
