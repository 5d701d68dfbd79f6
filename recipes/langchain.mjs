// LangChain.js: npm install langchain @langchain/core @langchain/openai zod. It reads OPENAI_BASE_URL and OPENAI_API_KEY.
// It asks for chat completions; with useResponsesApi: true for responses.
import { ChatOpenAI } from "@langchain/openai";
import { createAgent, tool } from "langchain";
import { z } from "zod";

const model = new ChatOpenAI({ model: "google/gemini-pro-latest" });
for await (const chunk of await model.stream("Hello")) {
  process.stdout.write(chunk.text);
}
console.log();

const weather = tool(({ city }) => `sunny in ${city}`, {
  name: "weather",
  description: "The weather in a city",
  schema: z.object({ city: z.string() }),
});
const agent = createAgent({ model, tools: [weather] });
const { messages } = await agent.invoke({ messages: [{ role: "user", content: "How is the weather in Graz?" }] });
console.log(messages.at(-1).text);

try {
  await new ChatOpenAI({ model: "stub/429", maxRetries: 1 }).invoke("Hello"); // by default it asks six times more, in two minutes
} catch (e) {
  console.log(e.status, e.message);
}
// prints: You said: Hello
// prints: You said: sunny in
// prints: 429
