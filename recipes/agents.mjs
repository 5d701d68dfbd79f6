// OpenAI's Agents SDK: npm install @openai/agents zod. It reads OPENAI_BASE_URL and OPENAI_API_KEY, and asks for responses.
import { Agent, run, setTracingDisabled, tool } from "@openai/agents";
import { z } from "zod";

setTracingDisabled(true); // its traces would go to OpenAI

const weather = tool({
  name: "weather",
  description: "The weather in a city",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => `sunny in ${city}`,
});
const agent = new Agent({ name: "Forecaster", instructions: "Be brief.", model: "google/gemini-pro-latest", tools: [weather] });

const answer = await run(agent, "How is the weather in Graz?", { stream: true });
for await (const text of answer.toTextStream()) {
  process.stdout.write(text);
}
await answer.completed;
console.log();

try {
  await run(new Agent({ name: "Nobody", model: "stub/429" }), "Hello");
} catch (e) {
  console.log(e.status, e.message);
}
// prints: You said: sunny in
// prints: 429
