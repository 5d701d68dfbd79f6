// Vercel's AI SDK with its OpenAI provider, at their defaults: openai(name) asks for a response, openai.chat(name) for a completion.
import assert from "node:assert/strict";
import { createOpenAI, openai } from "@ai-sdk/openai";
import { embed, embedMany } from "ai";
import { cases } from "./ai-sdk-cases.mjs";
import { keyOfNobody, main, model } from "./cases.mjs";

const stranger = createOpenAI({ apiKey: keyOfNobody });
const chat = Object.entries(cases(openai.chat, stranger.chat)).map(([name, test]) => [`chat-${name}`, test]);

await main({
  ...cases(openai, stranger),
  ...Object.fromEntries(chat),
  async embeddings() {
    const { embedding } = await embed({ model: openai.embeddingModel(model), value: "Hello" });
    assert.equal(embedding.length, 8);
    const { embeddings } = await embedMany({ model: openai.embeddingModel(model), values: ["Hello", "World"] });
    assert.deepEqual(embeddings[0], embedding);
    assert.equal(embeddings.length, 2);
  },
});
