import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";

const lambda = new LambdaClient({ requestHandler: { requestTimeout: 900_000 } });

class ChatFailed extends Error {
  constructor({ errorType, errorMessage }) {
    super(`${errorType}: ${errorMessage}`);
    this.type = errorType;
    try {
      this.error = JSON.parse(errorMessage).error;
    } catch {
      this.error = { message: errorMessage };
    }
  }
}

async function ask(request) {
  const answer = await lambda.send(new InvokeCommand({ FunctionName: "chat", Payload: JSON.stringify(request) }));
  const payload = JSON.parse(answer.Payload.transformToString());
  if (answer.FunctionError) throw new ChatFailed(payload);
  return payload.choices[0].message.content;
}

export async function handler({ model, question }) {
  try {
    return await ask({ model, messages: [{ role: "user", content: question }] });
  } catch (e) {
    if (e.type === "Chat.UpstreamError" && e.error.type === "rate_limit_error") return "Ask me again later.";
    throw e;
  }
}

if (!process.env.AWS_LAMBDA_FUNCTION_NAME) {
  console.log(await handler({ model: "stub/echo", question: "Hi" }), await handler({ model: "stub/429", question: "Hi" }));
}
// prints: You said: Hi Ask me again later.
