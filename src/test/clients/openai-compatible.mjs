// The AI SDK's provider for everybody's OpenAI-like endpoints. It reads no environment variables: it is told base URL and key.
import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed } from "ai";
import { cases } from "./ai-sdk-cases.mjs";
import { keyOfNobody, main, model } from "./cases.mjs";

function provider(apiKey, options) {
  return createOpenAICompatible({ name: "chat-lambda", baseURL: process.env.OPENAI_BASE_URL, apiKey, ...options });
}

const key = process.env.OPENAI_API_KEY;
const chat = provider(key);
const structured = provider(key, { supportsStructuredOutputs: true }); // else it asks for JSON without a schema

await main({
  ...cases(chat, provider(keyOfNobody), structured),
  async embeddings() {
    const { embedding } = await embed({ model: chat.embeddingModel(model), value: "Hello" });
    assert.equal(embedding.length, 8);
  },
});
