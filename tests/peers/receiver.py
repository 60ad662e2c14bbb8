"""A receiver of callbacks that checks them with the official libraries.

usage: receiver.py FILE    each line of it a request, its scheme and secrets
"""

import json
import sys

import standardwebhooks
import svix

LIBRARIES = {"standardwebhooks": standardwebhooks, "svix": svix}


def passes(library, secret, body, headers):
    try:
        library.Webhook(secret).verify(body, headers)
        return True
    except library.WebhookVerificationError:
        return False


counted = {"requests": 0, "standardwebhooks": 0, "svix": 0, "refused": 0}
with open(sys.argv[1], encoding="utf-8", newline="\n") as lines:
    for line in lines:
        case = json.loads(line)
        head, body = case["request"].split("\r\n\r\n", 1)
        headers = dict(field.split(": ", 1) for field in head.split("\r\n")[1:])
        counted["requests"] += 1
        assert int(headers["content-length"]) == len(body.encode())
        if case["scheme"] != "standard":
            continue
        for name, library in LIBRARIES.items():
            for secret in case["secrets"]:
                counted[name] += passes(library, secret, body, headers)
        for secret in case["secrets"]:
            for changed, other in [
                (body + " ", headers),
                (body, headers | {"webhook-id": "another"}),
                (body, headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}),
            ]:
                counted["refused"] += not passes(standardwebhooks, secret, changed, other)
print(json.dumps(counted))
