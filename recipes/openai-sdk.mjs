// OpenAI's Node SDK: npm install openai. It reads OPENAI_BASE_URL and OPENAI_API_KEY.
import OpenAI from "openai";

const client = new OpenAI();
const model = "google/gemini-pro-latest";
const messages = [{ role: "user", content: "Hello" }];
const stream = await client.chat.completions.create({ model, messages, stream: true });
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}
console.log();
try {
  await client.responses.create({ model: "stub/429", input: "Hello" });
} catch (e) {
  console.log(e.status, e.message);
}
// prints: You said: Hello
// prints: 429
