curl -sN "$OPENAI_BASE_URL"/chat/completions -H "Authorization: Bearer $OPENAI_API_KEY" -H 'Content-Type: application/json' \
  -d '{"stream": true, "messages": [{"role": "user", "content": "Hello"}]}'
# prints: data: [DONE]
