curl -sN "$OPENAI_BASE_URL"/chat/completions -H "x-api-key: $OPENAI_API_KEY" -H 'Content-Type: application/json' \
  --aws-sigv4 "aws:amz:$AWS_REGION:lambda" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
  -d '{"messages": [{"role": "user", "content": "Hello"}]}'
# prints: You said: Hello
