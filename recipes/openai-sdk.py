import openai

client = openai.OpenAI()  # reads OPENAI_BASE_URL and OPENAI_API_KEY
messages = [{"role": "user", "content": "Hello"}]
for chunk in client.chat.completions.create(model="stub/echo", messages=messages, stream=True):
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
print()
try:
    client.with_options(api_key="wrong").chat.completions.create(model="stub/echo", messages=messages)
except openai.AuthenticationError as e:
    print(e.code)
# prints: You said: Hello
# prints: invalid_api_key
