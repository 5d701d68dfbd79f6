// Vercel's AI SDK: npm install ai @ai-sdk/openai zod. It reads OPENAI_BASE_URL and OPENAI_API_KEY.
// openai.chat(name) asks for chat completions.
import { openai } from "@ai-sdk/openai";
import { generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";

const model = openai.chat("google/gemini-pro-latest");
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
  await generateText({ model: openai.chat("stub/429"), prompt: "Hello" });
} catch (e) {
  console.log(e.lastError?.statusCode, e.message);
}
// prints: You said: Hello
// prints: You said: sunny in
// prints: 429
