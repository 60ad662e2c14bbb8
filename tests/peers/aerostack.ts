// The chat client of Aerostack's page, run by Node as it stands there; only the address is another.
// usage: node aerostack.ts ADDRESS BOT MESSAGE USER

const [address, bot, said, user] = process.argv.slice(2);

async function chat(botId: string, message: string, userId: string) {
  const response = await fetch(`${address}/api/bots/webhook/custom/${botId}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      text: message,
      user_id: userId,
      channel_id: "default",
    }),
  });

  const data = await response.json();
  return data.response;
}

const reply: string = await chat(bot, said, user);
console.log(reply);
