// LangChain.js at its defaults, which ask for completions, and the same with useResponsesApi.
import assert from "node:assert/strict";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { createAgent, tool } from "langchain";
import { city, failure, filled, isLimited, isStreamed, isUnknownKey, keyOfNobody, limited, main, model } from "./cases.mjs";

/** A tool, and what it was called with. */
function weather() {
  const given = [];
  const execute = (input) => (given.push(input), "sunny");
  return { given, tools: [tool(execute, { name: "weather", description: "The weather", schema: city })] };
}

const hello = { messages: [{ role: "user", content: "Hello" }] };

function cases(api) {
  const chat = new ChatOpenAI({ model, ...api });
  const impatient = new ChatOpenAI({ model: limited, maxRetries: 1, ...api }); // by default it asks six times more, in two minutes
  return {
    async text() {
      const message = await chat.invoke("Hello");
      assert.equal(message.text, "You said: Hello");
      assert.equal(message.usage_metadata.total_tokens, 10);
    },
    async stream() {
      const pieces = [];
      for await (const chunk of await chat.stream("Hello")) {
        pieces.push(chunk.text);
      }
      isStreamed(pieces.filter(Boolean));
    },
    async tools() {
      const { given, tools } = weather();
      const { messages } = await createAgent({ model: chat, tools }).invoke(hello);
      assert.equal(messages.at(-1).text, "You said: sunny");
      assert.deepEqual(given, [filled]);
    },
    async toolsStream() {
      const { given, tools } = weather();
      const pieces = [];
      for await (const [chunk] of await createAgent({ model: chat, tools }).stream(hello, { streamMode: "messages" })) {
        pieces.push(chunk.text);
      }
      assert.ok(pieces.join("").endsWith("You said: sunny"), String(pieces)); // the tool's result is a piece too
      assert.deepEqual(given, [filled]);
    },
    async json() {
      assert.deepEqual(await chat.withStructuredOutput(city).invoke("Hello"), filled);
    },
    async unknownKey() {
      const stranger = new ChatOpenAI({ model, apiKey: keyOfNobody, ...api });
      for (const call of [() => stranger.invoke("Hello"), () => stranger.stream("Hello")]) {
        const error = await failure(call);
        isUnknownKey(error.status, error);
      }
    },
    async rateLimited() {
      const error = await failure(() => impatient.invoke("Hello"));
      isLimited(error.status, error);
    },
    async rateLimitedStream() {
      const error = await failure(() => impatient.stream("Hello"));
      isLimited(error.status, error);
    },
  };
}

const responses = Object.entries(cases({ useResponsesApi: true })).map(([name, test]) => [`responses-${name}`, test]);

await main({
  ...cases({}),
  ...Object.fromEntries(responses),
  async embeddings() {
    assert.equal((await new OpenAIEmbeddings({ model }).embedQuery("Hello")).length, 8);
  },
});
