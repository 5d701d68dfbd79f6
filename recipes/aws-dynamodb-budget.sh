aws dynamodb get-item --table-name "$TABLE" --key '{"pk": {"S": "app#usd#month#2026-11"}}' --query Item.used.N --output text
# prints: 3.21
aws dynamodb update-item --table-name "$TABLE" --key '{"pk": {"S": "app#usd#month#2026-11"}}' --update-expression 'SET used = :used' \
  --expression-attribute-values '{":used": {"N": "0"}}'
