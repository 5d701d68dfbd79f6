import json

import boto3
from botocore.config import Config

chat = boto3.client("lambda", config=Config(read_timeout=900))


def lines(stream):
    rest = b""
    for event in stream:
        if "PayloadChunk" in event:
            *whole, rest = (rest + event["PayloadChunk"]["Payload"]).split(b"\n")
            yield from whole
        elif "ErrorCode" in event["InvokeComplete"]:
            raise RuntimeError(event["InvokeComplete"]["ErrorDetails"])


def deltas(request):
    answer = chat.invoke_with_response_stream(FunctionName="chat", Payload=json.dumps(request | {"stream": True}))
    for line in lines(answer["EventStream"]):
        if line.startswith(b"data: ") and line != b"data: [DONE]":
            chunk = json.loads(line.removeprefix(b"data: "))
            if "error" in chunk:
                raise RuntimeError(chunk["error"]["message"])
            for choice in chunk["choices"]:
                yield choice["delta"].get("content") or ""


messages = [{"role": "user", "content": "One two three"}]
for text in deltas({"model": "stub/echo", "messages": messages}):
    print(text, end="", flush=True)
print()
try:
    list(deltas({"model": "stub/429", "messages": messages}))
except RuntimeError as e:
    print(e)
# prints: You said: One two three
# prints: Chat.UpstreamError
