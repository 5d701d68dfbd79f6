sam local invoke ChatFunction -e events/http-api.json --env-vars local.json
