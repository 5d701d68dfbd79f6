// Vercel's AI SDK with its OpenAI provider, at their defaults: openai(name) asks for a response, openai.chat(name) for a completion.
import assert from "node:assert/strict";
import { createOpenAI, openai } from "@ai-sdk/openai";
import { APICallError, RetryError, embed, embedMany, generateText, isStepCount, Output, streamText, tool } from "ai";
import { city, failure, filled, isLimited, isStreamed, isUnknownKey, keyOfNobody, limited, main, model } from "./cases.mjs";

const prompt = "Hello";
const ends = { stopWhen: isStepCount(5) };

/** A tool, and what it was called with. */
function weather() {
  const given = [];
  const execute = (input) => (given.push(input), "sunny");
  return { given, tools: { weather: tool({ description: "The weather", inputSchema: city, execute }) } };
}

/** What streamText hands to onError: it does not throw. */
async function streamFailure(options) {
  const errors = [];
  const result = streamText({ ...options, onError: ({ error }) => errors.push(error) });
  await result.consumeStream();
  assert.equal(errors.length, 1);
  return errors[0];
}

/** The error of the last of its attempts. */
function apiError(error) {
  const last = RetryError.isInstance(error) ? error.lastError : error;
  assert.ok(APICallError.isInstance(last), String(error));
  return last;
}

function cases(provide) {
  return {
    async text() {
      const result = await generateText({ model: provide(openai, model), prompt });
      assert.equal(result.text, "You said: Hello");
      assert.equal(result.finishReason, "stop");
      assert.equal(result.usage.inputTokens, 7);
      assert.equal(result.usage.outputTokens, 3);
    },
    async stream() {
      const result = streamText({ model: provide(openai, model), prompt });
      const pieces = [];
      for await (const piece of result.textStream) {
        pieces.push(piece);
      }
      isStreamed(pieces);
      assert.equal(await result.finishReason, "stop");
      assert.equal((await result.usage).totalTokens, 10);
    },
    async tools() {
      const { given, tools } = weather();
      const result = await generateText({ model: provide(openai, model), prompt, tools, ...ends });
      assert.equal(result.text, "You said: sunny");
      assert.equal(result.steps.length, 2);
      assert.deepEqual(given, [filled]);
    },
    async toolsStream() {
      const { given, tools } = weather();
      const result = streamText({ model: provide(openai, model), prompt, tools, ...ends });
      assert.equal(await result.text, "You said: sunny");
      assert.deepEqual(given, [filled]);
    },
    async json() {
      const result = await generateText({ model: provide(openai, model), prompt, output: Output.object({ schema: city }) });
      assert.deepEqual(result.output, filled);
    },
    async unknownKey() {
      const stranger = provide(createOpenAI({ apiKey: keyOfNobody }), model);
      for (const error of [await failure(() => generateText({ model: stranger, prompt })),
        await streamFailure({ model: stranger, prompt })].map(apiError)) {
        isUnknownKey(error.statusCode, error.data.error);
      }
    },
    async rateLimited() {
      const error = apiError(await failure(() => generateText({ model: provide(openai, limited), prompt })));
      isLimited(error.statusCode, error.data.error);
    },
    async rateLimitedStream() {
      const error = apiError(await streamFailure({ model: provide(openai, limited), prompt }));
      isLimited(error.statusCode, error.data.error);
    },
  };
}

const chat = Object.entries(cases((provider, name) => provider.chat(name))).map(([name, test]) => [`chat-${name}`, test]);

await main({
  ...cases((provider, name) => provider(name)),
  ...Object.fromEntries(chat),
  async embeddings() {
    const { embedding } = await embed({ model: openai.embeddingModel(model), value: "Hello" });
    assert.equal(embedding.length, 8);
    const { embeddings } = await embedMany({ model: openai.embeddingModel(model), values: ["Hello", "World"] });
    assert.deepEqual(embeddings[0], embedding);
    assert.equal(embeddings.length, 2);
  },
});
