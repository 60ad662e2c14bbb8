// A system that calls FourthChat's incoming webhook, and reads the answer as the page's receiver does: it must survive
// JSON.parse and JSON.stringify unchanged, since that is what the receiver signs.
// usage: node fourthchat.mjs ADDRESS KEY CONNECTION MESSAGE USER

const [address, key, connectionId, said, user] = process.argv.slice(2);

const response = await fetch(`${address}/api/webhooks/incoming`, {
  method: "POST",
  headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
  body: JSON.stringify({
    connectionId,
    message: said,
    userId: user,
    metadata: { name: "John Doe", email: "john@example.com", 10: 1.50, 9: 1e21, list: [0.1, -0, "ü \u2028"] },
  }),
});

const text = await response.text();
const same = JSON.stringify(JSON.parse(text)) === text;
console.log(JSON.stringify([response.status, JSON.parse(text), same]));
