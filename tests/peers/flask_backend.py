"""The custom backend of the chatbot platform's page, on the real Flask; it listens on a port of its own and prints its address.

Each answer carries what was asked as metadata, so that a test can look at it.
"""

import sys

from flask import Flask, jsonify, request
from werkzeug.serving import make_server

app = Flask(__name__)


def generate_response(messages, user):
    said = messages[-1]["content"]
    if isinstance(said, list):
        said = " ".join(part.get("text", part["type"]) for part in said)
    return f"{user['id']} said: {said}"


@app.route("/chat", methods=["POST"])
def chat():
    data = request.json
    messages = data["messages"]
    user = data["user"]

    # Your logic here
    response_text = generate_response(messages, user)

    return jsonify({
        "content": response_text,
        "metadata": {
            "model": "custom-v1",
            "user_id": user["id"],
            "asked": data,
        },
    })


server = make_server("127.0.0.1", 0, app, threaded=True)
print(f"http://127.0.0.1:{server.port}", flush=True)
sys.stdout.close()
server.serve_forever()
