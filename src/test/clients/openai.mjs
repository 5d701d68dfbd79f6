// OpenAI's own package, at its defaults.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { city, citySchema, failure, filled, isLimited, isStreamed, isUnknownKey, keyOfNobody, limited, main, model } from "./cases.mjs";

const client = new OpenAI();
const messages = [{ role: "user", content: "Hello" }];
const weather = { name: "weather", parameters: citySchema };
const chatTools = [{ type: "function", function: weather }];
const tools = [{ type: "function", strict: false, ...weather }];

async function all(events) {
  const seen = [];
  for await (const event of events) {
    seen.push(event);
  }
  return seen;
}

/** Every route: each must say the same. */
function calls(openai, name) {
  return [
    () => openai.chat.completions.create({ model: name, messages }),
    () => openai.chat.completions.create({ model: name, messages, stream: true }),
    () => openai.responses.create({ model: name, input: "Hello" }),
    () => openai.responses.create({ model: name, input: "Hello", stream: true }),
    () => openai.embeddings.create({ model: name, input: "Hello" }),
  ];
}

async function lacks(param, call) {
  const error = await failure(call);
  assert.equal(error.status, 400);
  assert.equal(error.param, param);
  assert.equal(error.type, "invalid_request_error");
  assert.match(error.message, new RegExp(param));
}

await main({
  async chat() {
    const { data, response } = await client.chat.completions.create({ model, messages }).withResponse();
    assert.equal(response.status, 200);
    assert.equal(data.model, model);
    assert.equal(data.choices[0].message.content, "You said: Hello");
    assert.equal(data.choices[0].finish_reason, "stop");
    assert.deepEqual(data.usage, { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 });
  },
  async chatParts() {
    const content = [{ type: "text", text: "Hello" }, { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }];
    const completion = await client.chat.completions.create({ model, messages: [{ role: "user", content }] });
    assert.equal(completion.choices[0].message.content, "You said: Hello");
  },
  async chatStream() {
    const chunks = await all(await client.chat.completions.create({ model, messages, stream: true }));
    isStreamed(chunks.map((chunk) => chunk.choices[0]?.delta.content).filter(Boolean));
    assert.deepEqual(chunks.at(-1).usage, { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 });
  },
  async chatTools() {
    const asked = await client.chat.completions.create({ model, messages, tools: chatTools });
    assert.equal(asked.choices[0].finish_reason, "tool_calls");
    const call = asked.choices[0].message.tool_calls[0];
    assert.equal(call.function.name, "weather");
    assert.deepEqual(JSON.parse(call.function.arguments), filled);
    const result = { role: "tool", tool_call_id: call.id, content: "sunny" };
    const told = await client.chat.completions.create({
      model, messages: [...messages, asked.choices[0].message, result], tools: chatTools,
    });
    assert.equal(told.choices[0].message.content, "You said: sunny");
  },
  async chatToolsStream() {
    const stream = client.chat.completions.stream({ model, messages, tools: chatTools });
    const call = await stream.finalFunctionToolCall();
    assert.equal(call.name, "weather");
    assert.deepEqual(JSON.parse(call.arguments), filled);
    assert.equal((await stream.finalChatCompletion()).choices[0].finish_reason, "tool_calls");
  },
  async chatRunTools() {
    const given = [];
    const tool = { type: "function", function: { ...weather, parse: JSON.parse, function: (args) => (given.push(args), "sunny") } };
    const runner = client.chat.completions.runTools({ model, messages, tools: [tool] });
    assert.equal(await runner.finalContent(), "You said: sunny");
    assert.deepEqual(given, [filled]);
  },
  async chatJson() {
    const completion = await client.chat.completions.parse({ model, messages, response_format: zodResponseFormat(city, "city") });
    assert.deepEqual(completion.choices[0].message.parsed, filled);
  },
  async chatWithoutMessages() {
    await lacks("messages", () => client.chat.completions.create({ model }));
    await lacks("messages", () => client.chat.completions.create({ model, stream: true }));
  },

  async responses() {
    const response = await client.responses.create({ model, input: "Hello" });
    assert.equal(response.output_text, "You said: Hello");
    assert.equal(response.status, "completed");
    assert.equal(response.model, model);
    assert.equal(response.usage.input_tokens, 7);
    assert.equal(response.usage.output_tokens, 3);
  },
  async responsesItems() {
    const input = [{ role: "user", content: [{ type: "input_text", text: "Hello" }] }];
    assert.equal((await client.responses.create({ model, input })).output_text, "You said: Hello");
  },
  async responsesStream() {
    const events = await all(await client.responses.create({ model, input: "Hello", stream: true }));
    assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, index) => index));
    isStreamed(events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta));
    assert.equal(events[0].type, "response.created");
    assert.equal(events.at(-1).type, "response.completed");
    assert.equal(events.at(-1).response.usage.total_tokens, 10);
  },
  async responsesFinal() {
    const response = await client.responses.stream({ model, input: "Hello" }).finalResponse();
    assert.equal(response.output_text, "You said: Hello");
  },
  async responsesTools() {
    const input = [{ role: "user", content: "Hello" }];
    const asked = await client.responses.create({ model, input, tools });
    const call = asked.output.find((item) => item.type === "function_call");
    assert.equal(call.name, "weather");
    assert.deepEqual(JSON.parse(call.arguments), filled);
    const result = { type: "function_call_output", call_id: call.call_id, output: "sunny" };
    const told = await client.responses.create({ model, input: [...input, call, result], tools });
    assert.equal(told.output_text, "You said: sunny");
  },
  async responsesToolsByPreviousResponse() {
    const asked = await client.responses.create({ model, input: "Hello", tools });
    const call = asked.output.find((item) => item.type === "function_call");
    const result = { type: "function_call_output", call_id: call.call_id, output: "sunny" };
    const told = await client.responses.create({ model, input: [result], previous_response_id: asked.id, tools });
    assert.equal(told.output_text, "You said: sunny");
    assert.equal(told.previous_response_id, asked.id);
  },
  async responsesToolsStream() {
    const stream = client.responses.stream({ model, input: "Hello", tools });
    const events = await all(stream);
    const deltas = events.filter((event) => event.type === "response.function_call_arguments.delta").map((event) => event.delta);
    assert.ok(deltas.length > 1);
    assert.deepEqual(JSON.parse(deltas.join("")), filled);
    const call = (await stream.finalResponse()).output.find((item) => item.type === "function_call");
    assert.deepEqual(JSON.parse(call.arguments), filled);
  },
  async responsesJson() {
    const response = await client.responses.parse({ model, input: "Hello", text: { format: zodTextFormat(city, "city") } });
    assert.deepEqual(response.output_parsed, filled);
  },
  async responsesWithoutInput() {
    await lacks("input", () => client.responses.create({ model }));
    await lacks("input", () => client.responses.create({ model, stream: true }));
  },
  async responsesAreNotKept() {
    for (const call of [() => client.responses.retrieve("resp_stub"), () => client.responses.delete("resp_stub")]) {
      assert.equal((await failure(call)).status, 404);
    }
  },

  async embeddings() {
    const { data, usage } = await client.embeddings.create({ model, input: "Hello" }); // asks for base64
    assert.equal(data.length, 1);
    assert.equal(data[0].embedding.length, 8);
    assert.ok(data[0].embedding.every((number) => Math.abs(number) <= 1));
    assert.equal(usage.total_tokens, 7);
    const numbers = await client.embeddings.create({ model, input: "Hello", encoding_format: "float" });
    assert.deepEqual(data[0].embedding, numbers.data[0].embedding);
  },
  async embeddingsOfSeveral() {
    const texts = await client.embeddings.create({ model, input: ["Hello", "World"] });
    assert.deepEqual(texts.data.map((item) => item.index), [0, 1]);
    assert.notDeepEqual(texts.data[0].embedding, texts.data[1].embedding);
    assert.equal((await client.embeddings.create({ model, input: [1, 2, 3] })).data.length, 1);
    assert.equal((await client.embeddings.create({ model, input: [[1], [2, 3]] })).data.length, 2);
  },
  async embeddingsWithoutInput() {
    await lacks("input", () => client.embeddings.create({ model }));
  },

  async models() {
    const ids = (await all(client.models.list())).map((item) => item.id); // goes on to a next page, if it is told of one
    assert.ok(ids.includes(model), String(ids));
    assert.ok(ids.includes("google/gemini-pro-latest"), String(ids));
  },
  async modelBySlashedId() {
    const found = await client.models.retrieve("google/gemini-pro-latest");
    assert.equal(found.id, "google/gemini-pro-latest");
    assert.equal(found.object, "model");
  },
  async modelOfNoList() {
    const error = await failure(() => client.models.retrieve("google/no-such-model"));
    assert.equal(error.status, 404);
    assert.equal(error.code, "model_not_found");
  },

  async unknownKey() {
    const stranger = new OpenAI({ apiKey: keyOfNobody });
    for (const call of [...calls(stranger, model), () => stranger.models.list(), () => stranger.models.retrieve(model)]) {
      const error = await failure(call);
      assert.ok(error instanceof OpenAI.AuthenticationError, String(error));
      isUnknownKey(error.status, error);
    }
  },
  async rateLimited() {
    await Promise.all(calls(client, limited).map(async (call) => {
      const error = await failure(call);
      assert.ok(error instanceof OpenAI.RateLimitError, String(error));
      isLimited(error.status, error);
    }));
  },
});
