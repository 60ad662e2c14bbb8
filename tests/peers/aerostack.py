"""The Python integration of Aerostack's page; only the address is another.

usage: aerostack.py ADDRESS BOT MESSAGE USER
"""

import sys

import requests

address, bot, said, user = sys.argv[1:]


def chat(bot_id: str, message: str, user_id: str) -> str:
    response = requests.post(
        f"{address}/api/bots/webhook/custom/{bot_id}",
        json={
            "text": message,
            "user_id": user_id,
            "channel_id": "default",
        },
        timeout=20,
    )
    return response.json()["response"]


print(chat(bot, said, user))
