// The worker that AI Butler's page puts between Twilio and the webhook; only the address and the secret are others.
// usage: node worker.mjs ADDRESS SECRET MESSAGE FROM

const [address, secret, said, from] = process.argv.slice(2);

const worker = {
  async fetch(req) {
    const form = await req.formData();
    return fetch(`${address}/webhook/custom`, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "X-Aibutler-Secret": secret,
      },
      body: JSON.stringify({
        user_id: form.get("From"),
        message: form.get("Body"),
        metadata: { platform: "twilio-sms" },
      }),
    });
  },
};

// What Twilio posts to a worker.
const form = new URLSearchParams({ From: from, Body: said, NumMedia: "0" });
const answer = await worker.fetch(new Request("https://worker.example/", { method: "POST", body: form }));
console.log(JSON.stringify([answer.status, await answer.json()]));
