"""The package and its bot against three real nodes. MYCNET names the command."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from mycnet import Failure, Node  # noqa: E402

MYCNET = os.environ.get("MYCNET", str(ROOT / "target/debug/mycnet"))
NAMES = ["ada", "ben", "cyd"]


def mycnet(*arguments: str) -> dict:
    done = subprocess.run([MYCNET, *arguments, "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


class ThreeNodes(unittest.TestCase):
    def setUp(self) -> None:
        self.top = Path(tempfile.mkdtemp(prefix="mc-"))
        self.running: dict[str, subprocess.Popen] = {}
        keys = {name: mycnet("init", "--dir", self.at(name), "--no-successor")["node"] for name in NAMES}
        genesis = str(self.top / "genesis.json")
        members = [f"{name}={keys[name]}:{'primary' if name == 'ada' else 'seed'}" for name in NAMES]
        named = [word for member in members for word in ("--member", member)]
        mycnet("network", "new", "village", "--profile", "dev", *named, "-o", genesis)
        for name in NAMES:
            mycnet("join", "--dir", self.at(name), genesis)
        settings = Path(self.at("cyd")) / "config.toml"
        self.port = self.start("ada") or 0
        settings.write_text('api.listen = "127.0.0.1:0"\n' + settings.read_text())
        self.ticket = mycnet("ticket", "--dir", self.at("ada"))["ticket"]
        self.start("ben", "--peer", self.ticket)
        self.port = self.start("cyd", "--peer", self.ticket)

    def tearDown(self) -> None:
        for node in self.running.values():
            node.terminate()
        for node in self.running.values():
            node.wait(20)
            node.stdout.close()
        shutil.rmtree(self.top)

    def at(self, name: str) -> str:
        return str(self.top / name)

    def start(self, name: str, *arguments: str) -> str:
        node = subprocess.Popen(
            [MYCNET, "run", "--json", "--dir", self.at(name), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.running[name] = node
        return json.loads(node.stdout.readline())["api"]

    def bot(self, name: str) -> subprocess.Popen:
        path = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
        bot = [sys.executable, str(ROOT / "python/examples/bot.py"), self.at(name), "ada"]
        return subprocess.Popen(bot, stdout=subprocess.PIPE, text=True, env=path)

    def test_a_bot_votes_and_everything_is_seen(self) -> None:
        ada, cyd = Node(self.at("ada")), Node(self.at("cyd"), address=self.port)
        bots = [self.bot("ben"), self.bot("cyd")]
        try:
            change = {"config_type": "motd", "proposed_change": b"hello".hex()}
            operation = ada.propose({"network_configuration": change}, ballot="approve")
            closed = ada.wait(operation, 60)
            self.assertEqual(closed["outcome"], {"decided": "approve"})
            self.assertEqual(bots[0].stdout.readline(), f"approve on {operation[:8]} by ada\n")
        finally:
            for bot in bots:
                bot.kill()
                bot.wait()
                bot.stdout.close()
        # The same over TCP, where nobody without the token is answered.
        self.assertEqual(len(cyd.members()), 3)
        self.assertEqual(cyd.operations(limit=1)[0]["operation"], operation)
        with self.assertRaises(Failure) as denied:
            Node(address=self.port, token="00").status()
        self.assertEqual(denied.exception.kind, "denied")
        with self.assertRaises(Failure) as refused:
            ada.vote(operation, "reject")
        self.assertEqual(refused.exception.kind, "refused")
        self.assertIn("approve", refused.exception.message)
        with self.assertRaises(Failure) as missing:
            ada.operation("00" * 32)
        self.assertEqual(missing.exception.kind, "not_found")

    def test_events_go_on_after_a_restart(self) -> None:
        ada = Node(self.at("ada"))
        events = ada.events(since="0")
        change = {"config_type": "a", "proposed_change": "00"}
        ada.propose({"network_configuration": change}, ballot="approve")
        first = next(event for event in events if "id" in event)
        self.assertEqual((first["id"], first["event"]), ("1.0", "sealed"))
        self.running["ada"].kill()
        self.running["ada"].wait()
        self.running["ada"].stdout.close()
        self.start("ada")
        second = next(event for event in events if "id" in event)
        self.assertEqual(second["id"], "1.1")
        with self.assertRaises(Failure) as ahead:
            next(ada.events(since="999.0"))
        self.assertEqual(ahead.exception.kind, "bad_data")

    def test_a_node_that_is_gone_is_said(self) -> None:
        begin = time.monotonic()
        with self.assertRaises(Failure) as gone:
            Node(self.top / "nobody").status()
        self.assertEqual(gone.exception.kind, "gone")
        self.assertEqual(list(Node(self.top / "nobody").events(again=False)), [])
        self.assertLess(time.monotonic() - begin, 5)


if __name__ == "__main__":
    unittest.main()
