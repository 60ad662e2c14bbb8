"""A bot that reports to BotPass: its start, a message, and a report that lacks the bot's id.

usage: botpass.py ADDRESS BOT
Prints the status and the answer, one JSON array a report.
"""

import json
import sys

import requests

address, bot = sys.argv[1:]


def report(**fields):
    response = requests.post(f"{address}/api/webhook/incoming", json=fields, timeout=20)
    print(json.dumps([response.status_code, response.json()]))


report(
    botId=bot,
    messageType="status",
    content="Bot starting up",
    data={"version": "1.0.5", "environment": "production"},
)
report(
    botId=bot,
    messageType="message",
    content="Where is my order?",
    timestamp="2023-08-10T12:34:56Z",
    data={"userId": "user-7", "key1": "value1"},
)
report(messageType="status", content="Bot starting up")
