"""The same function in Python: http.client, or with the argument "requests" that library, as in the endpoint's own example."""
import http.client
import json
import os
import sys
from urllib.parse import urlsplit

upstream = urlsplit(os.environ["CHAT_URL"])
path = upstream.path + "/v1/chat/completions"
headers = {"Authorization": "Bearer " + os.environ["CHAT_API_KEY"], "Content-Type": "application/json"}

if sys.argv[1:] == ["requests"]:
    import requests

    session = requests.Session()

    def create(body):
        answer = session.post(f"{upstream.scheme}://{upstream.netloc}{path}", headers=headers, data=body.encode())
        return answer.status_code, answer.text
else:
    kind = http.client.HTTPSConnection if upstream.scheme == "https" else http.client.HTTPConnection
    connection = kind(upstream.netloc)

    def create(body):
        connection.request("POST", path, body.encode(), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = api.getresponse()
    event = json.loads(invocation.read())
    status, completion = create(event["body"])
    reply = {"statusCode": status, "headers": {"content-type": "application/json"}, "body": completion}
    request_id = invocation.getheader("Lambda-Runtime-Aws-Request-Id")
    api.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", json.dumps(reply))
    api.getresponse().read()
