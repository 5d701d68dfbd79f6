// The same function with Go's standard library.
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	upstream := os.Getenv("CHAT_URL") + "/v1/chat/completions"
	for {
		next, err := http.Get(api + "next")
		if err != nil {
			os.Exit(1)
		}
		body, _ := io.ReadAll(next.Body)
		next.Body.Close()
		var event struct{ Body string }
		json.Unmarshal(body, &event)
		request, _ := http.NewRequest("POST", upstream, strings.NewReader(event.Body))
		request.Header.Set("Authorization", "Bearer "+os.Getenv("CHAT_API_KEY"))
		request.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			os.Exit(1)
		}
		completion, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		reply, _ := json.Marshal(map[string]interface{}{"statusCode": answer.StatusCode,
			"headers": map[string]string{"content-type": "application/json"}, "body": string(completion)})
		posted, err := http.Post(api+next.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", bytes.NewReader(reply))
		if err != nil {
			os.Exit(1)
		}
		io.Copy(io.Discard, posted.Body)
		posted.Body.Close()
	}
}
