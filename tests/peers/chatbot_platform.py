"""The chatbot platform as its page describes it: a webhook with messages, and one with an image, to a bot that may be any AI.

usage: chatbot_platform.py ADDRESS TOKEN BOT MESSAGE
Prints the status and the answer, one JSON array a request; the last one carries a wrong token.
"""

import json
import sys

import requests

address, token, bot, said = sys.argv[1:]


def send(content, token):
    response = requests.post(
        f"{address}/chat/{bot}",
        headers={"Authorization": f"Bearer {token}"},
        json={
            "messages": [
                {"role": "user", "content": "Hello!"},
                {"role": "assistant", "content": "The bot's previous response"},
                {"role": "user", "content": content},
            ],
            "conversation_id": "conv_abc123",
            "user": {"id": "user_123", "platform": "telegram", "name": "John Doe", "username": "johndoe"},
            "bot": {"id": "bot_456", "name": "Support Bot"},
            "metadata": {"channel": "telegram", "chat_id": "123456789", "message_id": "789"},
        },
        timeout=20,
    )
    print(json.dumps([response.status_code, response.json()]))


send(said, token)
send(
    [
        {"type": "text", "text": said},
        {"type": "image_url", "image_url": {"url": "https://storage.example/attachments/abc123.jpg"}},
    ],
    token,
)
send(said, "not " + token)
