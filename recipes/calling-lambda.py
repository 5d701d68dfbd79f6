import json

import boto3
from botocore.config import Config

chat = boto3.client("lambda", config=Config(read_timeout=900))


class ChatFailed(Exception):
    def __init__(self, payload):
        self.type = payload.get("errorType", "Unknown")
        try:
            self.error = json.loads(payload["errorMessage"])["error"]
        except (KeyError, ValueError):
            self.error = {"message": payload.get("errorMessage"), "code": None}
        super().__init__(f"{self.type}: {self.error['message']}")


def ask(request):
    answer = chat.invoke(FunctionName="chat", Payload=json.dumps(request))
    payload = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise ChatFailed(payload)
    return payload["choices"][0]["message"]["content"]


def handler(event, context):
    try:
        return ask({"model": event["model"], "messages": [{"role": "user", "content": event["question"]}]})
    except ChatFailed as e:
        if e.type == "Chat.UpstreamError" and e.error["type"] == "rate_limit_error":
            return "Ask me again later."
        raise


if __name__ == "__main__":
    print(handler({"model": "stub/echo", "question": "Hi"}, None), handler({"model": "stub/429", "question": "Hi"}, None))
# prints: You said: Hi Ask me again later.
