aws lambda invoke --endpoint-url http://localhost:8080 --function-name chat --cli-read-timeout 900 \
  --payload fileb://events/direct.json target/answer.json
cat target/answer.json
# prints: You said: Grüß Gott from another Lambda
