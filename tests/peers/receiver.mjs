// A receiver of callbacks that checks them with the official libraries, and as FourthChat's page does.
// usage: node receiver.mjs FILE    each line of it a request, its scheme and secrets

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";

// The page's own function. Its signature is the hex text alone, while its header shows `sha256=` before it.
function verifySignature(payload, signature, secret) {
  const expectedSignature = createHmac("sha256", secret).update(JSON.stringify(payload)).digest("hex");

  return signature === expectedSignature;
}

function passes(Library, secret, body, headers) {
  try {
    new Library(secret).verify(body, headers);
    return true;
  } catch (error) {
    if (error.name === "TypeError") throw error;
    return false;
  }
}

const counted = { requests: 0, standardwebhooks: 0, svix: 0, refused: 0, fourthchat: 0, same: 0 };
for (const line of readFileSync(process.argv[2], "utf8").split("\n").filter(Boolean)) {
  const { scheme, secrets, request } = JSON.parse(line);
  const end = request.indexOf("\r\n\r\n");
  const body = request.slice(end + 4);
  const headers = Object.fromEntries(request.slice(0, end).split("\r\n").slice(1).map((field) => field.split(": ", 2)));
  const payload = JSON.parse(body);
  counted.requests += 1;
  counted.same += JSON.stringify(payload) === body;
  for (const secret of secrets) {
    if (scheme === "hmac") {
      const signatures = headers["x-webhook-signature"].split(",").map((text) => text.replace(/^sha256=/, ""));
      counted.fourthchat += signatures.some((signature) => verifySignature(payload, signature, secret));
      continue;
    }
    counted.standardwebhooks += passes(Standard, secret, body, headers);
    counted.svix += passes(Svix, secret, body, headers);
    const later = String(Number(headers["webhook-timestamp"]) + 1);
    for (const [changed, other] of [
      [body + " ", headers],
      [body, { ...headers, "webhook-id": "another" }],
      [body, { ...headers, "webhook-timestamp": later }],
    ]) {
      counted.refused += !passes(Standard, secret, changed, other);
    }
  }
}
console.log(JSON.stringify(counted));
