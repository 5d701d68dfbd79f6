// The AI SDK's provider for any OpenAI-compatible endpoint: npm install ai @ai-sdk/openai-compatible zod. It is told base URL and key.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";

const chat = createOpenAICompatible({ name: "chat-lambda", baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY });
const model = chat("google/gemini-pro-latest");
const weather = tool({
  description: "The weather in a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `sunny in ${city}`,
});

const { textStream } = streamText({ model, prompt: "Hello" });
for await (const text of textStream) {
  process.stdout.write(text);
}
console.log();

const { text } = await generateText({ model, prompt: "How is the weather in Graz?", tools: { weather }, stopWhen: isStepCount(5) });
console.log(text);

try {
  await generateText({ model: chat("stub/429"), prompt: "Hello" });
} catch (e) {
  console.log(e.lastError?.statusCode, e.message);
}
// prints: You said: Hello
// prints: You said: sunny in
// prints: 429
