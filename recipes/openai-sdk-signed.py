import os

import boto3
import openai
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

session = boto3.Session()
credentials = session.get_credentials()


def sign(request):
    signed = AWSRequest(request.method, str(request.url), data=request.content)
    SigV4Auth(credentials.get_frozen_credentials(), "lambda", session.region_name).add_auth(signed)
    request.headers.update(dict(signed.headers.items()))
    return request


client = openai.OpenAI(  # reads OPENAI_BASE_URL
    api_key="none: the signature has its place",
    default_headers={"x-api-key": os.environ["OPENAI_API_KEY"]},
    http_client=openai.DefaultHttpxClient(auth=sign),
)
answer = client.chat.completions.create(model="stub/echo", messages=[{"role": "user", "content": "Hello"}])
print(answer.choices[0].message.content)
# prints: You said: Hello
