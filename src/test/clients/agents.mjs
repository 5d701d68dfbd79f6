// OpenAI's Agents SDK, at its defaults: it asks for responses. (Its traces would go to OpenAI: OPENAI_AGENTS_DISABLE_TRACING.)
import assert from "node:assert/strict";
import { Agent, run, setDefaultOpenAIKey, tool } from "@openai/agents";
import { city, failure, filled, isLimited, isStreamed, isUnknownKey, keyOfNobody, limited, main, model } from "./cases.mjs";

const given = [];
const weather = tool({ name: "weather", description: "The weather", parameters: city, execute: (input) => (given.push(input), "sunny") });
const agent = new Agent({ name: "Parrot", instructions: "Repeat.", model });
const agentWithTool = new Agent({ name: "Parrot", instructions: "Repeat.", model, tools: [weather] });

async function streamed(agentToRun) {
  const stream = await run(agentToRun, "Hello", { stream: true });
  const pieces = [];
  for await (const piece of stream.toTextStream()) {
    pieces.push(piece);
  }
  await stream.completed;
  return { stream, pieces };
}

await main({
  async text() {
    const result = await run(agent, "Hello");
    assert.equal(result.finalOutput, "You said: Hello");
    assert.equal(result.rawResponses[0].usage.totalTokens, 10);
  },
  async stream() {
    const { stream, pieces } = await streamed(agent);
    isStreamed(pieces);
    assert.equal(stream.finalOutput, "You said: Hello");
  },
  async tools() {
    assert.equal((await run(agentWithTool, "Hello")).finalOutput, "You said: sunny");
    assert.deepEqual(given, [filled]);
  },
  async toolsStream() {
    const { stream } = await streamed(agentWithTool);
    assert.equal(stream.finalOutput, "You said: sunny");
    assert.deepEqual(given, [filled]);
  },
  async json() {
    assert.deepEqual((await run(new Agent({ name: "Parrot", model, outputType: city }), "Hello")).finalOutput, filled);
  },
  async secondTurn() {
    const first = await run(agent, "Hi");
    const second = await run(agent, [...first.history, { role: "user", content: "Hello" }]);
    assert.equal(second.finalOutput, "You said: Hello");
  },
  async unknownKey() {
    setDefaultOpenAIKey(keyOfNobody);
    for (const error of [await failure(() => run(agent, "Hello")), await failure(() => streamed(agent))]) {
      isUnknownKey(error.status, error);
    }
  },
  async rateLimited() {
    const error = await failure(() => run(new Agent({ name: "Parrot", model: limited }), "Hello"));
    isLimited(error.status, error);
  },
  async rateLimitedStream() {
    const error = await failure(() => streamed(new Agent({ name: "Parrot", model: limited })));
    isLimited(error.status, error);
  },
});
