// What the cases of the AI SDK's two providers have in common.
import assert from "node:assert/strict";
import { APICallError, RetryError, generateText, isStepCount, Output, streamText, tool } from "ai";
import { city, failure, filled, isLimited, isStreamed, isUnknownKey, limited, model } from "./cases.mjs";

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

/**
 * @param provide a model by its name
 * @param stranger the same for a caller whose key nobody knows
 * @param structured the same, where JSON is asked for with its schema
 */
export function cases(provide, stranger, structured = provide) {
  return {
    async text() {
      const result = await generateText({ model: provide(model), prompt });
      assert.equal(result.text, "You said: Hello");
      assert.equal(result.finishReason, "stop");
      assert.equal(result.usage.inputTokens, 7);
      assert.equal(result.usage.outputTokens, 3);
    },
    async stream() {
      const result = streamText({ model: provide(model), prompt });
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
      const result = await generateText({ model: provide(model), prompt, tools, ...ends });
      assert.equal(result.text, "You said: sunny");
      assert.equal(result.steps.length, 2);
      assert.deepEqual(given, [filled]);
    },
    async toolsStream() {
      const { given, tools } = weather();
      const result = streamText({ model: provide(model), prompt, tools, ...ends });
      assert.equal(await result.text, "You said: sunny");
      assert.deepEqual(given, [filled]);
    },
    async json() {
      const result = await generateText({ model: structured(model), prompt, output: Output.object({ schema: city }) });
      assert.deepEqual(result.output, filled);
    },
    async unknownKey() {
      for (const error of [await failure(() => generateText({ model: stranger(model), prompt })),
        await streamFailure({ model: stranger(model), prompt })].map(apiError)) {
        isUnknownKey(error.statusCode, error.data.error);
      }
    },
    async rateLimited() {
      const error = apiError(await failure(() => generateText({ model: provide(limited), prompt })));
      isLimited(error.statusCode, error.data.error);
    },
    async rateLimitedStream() {
      const error = apiError(await streamFailure({ model: provide(limited), prompt }));
      isLimited(error.statusCode, error.data.error);
    },
  };
}
