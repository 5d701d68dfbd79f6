for event in events/*.json; do
  echo "$event $(curl -s http://localhost:8080/2015-03-31/functions/chat/invocations -d @$event | cut -c 1-60)"
done
# prints: events/http-api.json {"statusCode":200,
