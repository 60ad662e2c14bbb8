"""Twilio's own request, without a worker between: its form, signed by Twilio's library, answered in TwiML.

usage: twilio_form.py ADDRESS PUBLIC_URL TOKEN MESSAGE FROM
Prints status, content type and the texts of the TwiML's messages as JSON, then the status of the same form under a wrong token.
"""

import json
import sys
from xml.etree import ElementTree

import requests
from twilio.request_validator import RequestValidator

address, public_url, token, said, sender = sys.argv[1:]
FORM = {
    "MessageSid": "SM00000000000000000000000000000001",
    "AccountSid": "AC00000000000000000000000000000001",
    "From": sender,
    "To": "+15550001111",
    "Body": said,
    "NumMedia": "1",
    "MediaUrl0": "https://media.example/cat.jpg",
    "MediaContentType0": "image/jpeg",
}


def post(token):
    signature = RequestValidator(token).compute_signature(f"{public_url}/webhook/custom", FORM)
    return requests.post(
        f"{address}/webhook/custom",
        data=FORM,
        headers={"X-Twilio-Signature": signature, "User-Agent": "TwilioProxy/1.1", "Accept": "*/*"},
        timeout=20,
    )


answer = post(token)
texts = []
if "xml" in answer.headers["Content-Type"]:
    root = ElementTree.fromstring(answer.content)
    if root.tag != "Response":
        raise SystemExit(f"not TwiML: {answer.text}")
    texts = [message.text for message in root.iter("Message")]
print(json.dumps([answer.status_code, answer.headers["Content-Type"], texts]))
print(post("not " + token).status_code)
