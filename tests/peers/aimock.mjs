// OpenAI's and Anthropic's endpoints, played by aimock on a port of its own; prints its address. What is said decides what is
// answered.

import { LLMock } from "@copilotkit/aimock";

const mock = new LLMock({ port: 0, host: "127.0.0.1" });
const usage = { prompt_tokens: 485, completion_tokens: 42, total_tokens: 527 };

mock.onMessage("hello", { content: "Hi there, how are you today? \u{1F600}", usage });
mock.onMessage("order", {
  content: "Looking it up.",
  toolCalls: [{ name: "orders__get_order", arguments: { order_id: "12345" } }],
  usage,
});
mock.onMessage("slow down", { error: { message: "Rate limited", type: "rate_limit_error" }, status: 429, retryAfter: 7 });
mock.onMessage("busy", { error: { message: "Overloaded", type: "overloaded_error" }, status: 529 });
mock.onMessage("long story", { content: "Once upon a time", finishReason: "length", usage });
mock.addFixture({
  match: { userMessage: "break off" },
  response: { content: "This answer breaks off in the middle of it." },
  chunkSize: 5,
  // Time for each piece to leave before the next, or the break would swallow them all.
  latency: 20,
  truncateAfterChunks: 4,
});

await mock.start();
console.log(mock.url);
