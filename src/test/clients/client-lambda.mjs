// AWS's client for Lambda at its defaults: another Lambda that calls this one. AWS_ENDPOINT_URL_LAMBDA says where; IAM's leave is its key.
import assert from "node:assert/strict";
import { InvokeCommand, InvokeWithResponseStreamCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { citySchema, filled, isStreamed, limited, main, model } from "./cases.mjs";

const lambda = new LambdaClient({});
const messages = [{ role: "user", content: "Hello" }];
const tools = [{ type: "function", function: { name: "weather", parameters: citySchema } }];

function call(request) {
  return { FunctionName: "chat", Payload: JSON.stringify(request) };
}

async function invoke(request) {
  const { FunctionError, StatusCode, Payload } = await lambda.send(new InvokeCommand(call(request)));
  assert.equal(StatusCode, 200);
  return { FunctionError, payload: JSON.parse(Payload.transformToString()) };
}

/** The text of the stream, and what it ends with. */
async function stream(request) {
  const { EventStream } = await lambda.send(new InvokeWithResponseStreamCommand(call({ ...request, stream: true })));
  const decoder = new TextDecoder();
  let text = "";
  for await (const { PayloadChunk, InvokeComplete } of EventStream) {
    if (InvokeComplete) {
      return { text, InvokeComplete };
    }
    text += decoder.decode(PayloadChunk.Payload, { stream: true });
  }
  return assert.fail("it breaks off");
}

/** The stream's chunks, of which [DONE] is the last. */
function chunks(text) {
  const data = text.split("\n\n").filter((event) => event.startsWith("data: ")).map((event) => event.slice("data: ".length));
  assert.equal(data.pop(), "[DONE]");
  return data.map((chunk) => JSON.parse(chunk));
}

function isFunctionError({ errorType, errorMessage }, type, message) {
  assert.equal(errorType, type);
  assert.match(JSON.parse(errorMessage).error.message, message);
}

await main({
  async text() {
    const { FunctionError, payload } = await invoke({ model, messages });
    assert.equal(FunctionError, undefined);
    assert.equal(payload.choices[0].message.content, "You said: Hello");
    assert.equal(payload.usage.total_tokens, 10);
  },
  async stream() {
    const { text, InvokeComplete } = await stream({ model, messages });
    assert.equal(InvokeComplete.ErrorCode, undefined);
    isStreamed(chunks(text).map((chunk) => chunk.choices[0]?.delta.content).filter(Boolean));
  },
  async tools() {
    const asked = (await invoke({ model, messages, tools })).payload.choices[0].message;
    const toolCall = asked.tool_calls[0];
    assert.equal(toolCall.function.name, "weather");
    assert.deepEqual(JSON.parse(toolCall.function.arguments), filled);
    const result = { role: "tool", tool_call_id: toolCall.id, content: "sunny" };
    const told = await invoke({ model, messages: [...messages, asked, result], tools });
    assert.equal(told.payload.choices[0].message.content, "You said: sunny");
  },
  async toolsStream() {
    const calls = chunks((await stream({ model, messages, tools })).text).flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
    assert.equal(calls[0].function.name, "weather");
    assert.deepEqual(JSON.parse(calls.map((each) => each.function.arguments).join("")), filled);
  },
  async rateLimited() {
    const { FunctionError, payload } = await invoke({ model: limited, messages });
    assert.equal(FunctionError, "Unhandled");
    isFunctionError(payload, "Chat.UpstreamError", /The stub was asked for a 429/);
  },
  async rateLimitedStream() {
    const { text, InvokeComplete } = await stream({ model: limited, messages });
    assert.equal(text, "");
    assert.equal(InvokeComplete.ErrorCode, "Unhandled");
    isFunctionError(JSON.parse(InvokeComplete.ErrorDetails), "Chat.UpstreamError", /The stub was asked for a 429/);
  },
  async invalidRequest() {
    const { FunctionError, payload } = await invoke({ model, messages: [] });
    assert.equal(FunctionError, "Unhandled");
    isFunctionError(payload, "Chat.InvalidRequest", /messages/);
  },
  async withoutWaiting() {
    const { StatusCode, Payload } = await lambda.send(new InvokeCommand({ ...call({ model, messages }), InvocationType: "Event" }));
    assert.equal(StatusCode, 202);
    assert.equal(Payload?.length ?? 0, 0);
  },
});
