"""A client of AI Butler's webhook: a message with its metadata, the shared secret in its header.

usage: aibutler.py ADDRESS SECRET MESSAGE USER
Prints the status and the answer, one JSON array a message: the message twice, then once with a wrong secret.
"""

import json
import sys

import requests

address, secret, said, user = sys.argv[1:]


def send(secret):
    response = requests.post(
        f"{address}/webhook/custom",
        headers={"X-Aibutler-Secret": secret},
        json={
            "user_id": user,
            "message": said,
            "metadata": {"platform": "my-chat-app", "location": "Madrid"},
        },
        timeout=20,
    )
    print(json.dumps([response.status_code, response.json()]))


send(secret)
send(secret)
send("not " + secret)
