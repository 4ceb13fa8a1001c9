"""A bot that votes: it approves what members propose whom it is told to follow, and abstains from the rest.

python3 bot.py DIRECTORY NAME...
"""

import sys

from mycnet import Failure, Node


def main(directory: str, followed: set[str]) -> None:
    node = Node(directory)
    for event in node.events():
        if event["event"] != "your_turn":
            continue
        operation = node.operation(event["operation"])
        proposer = operation["names"].get(operation["proposer"], "")
        ballot = "approve" if proposer in followed else "abstain"
        if event["class"] == "claim":
            ballot = "abstain"  # A claim wants a result, which this bot does not have.
        try:
            node.vote(event["operation"], ballot)
        except Failure as failure:
            print(failure, file=sys.stderr)
            continue
        print(f"{ballot} on {event['operation'][:8]} by {proposer}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], set(sys.argv[2:]))
