curl -s -w '%{http_code}\n' "$OPENAI_BASE_URL"/chat/completions -H 'Authorization: Bearer wrong' \
  -H 'Content-Type: application/json' -d '{"messages": [{"role": "user", "content": "Hello"}]}'
# prints: "code":"invalid_api_key"}}401
