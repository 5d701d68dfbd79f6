// The same function with Go's standard library: a goroutine for each invocation that Lambda may hand over at a time.
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
)

var (
	api      = "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	upstream = os.Getenv("CHAT_URL") + "/v1/chat/completions"
	streams  = os.Getenv("CHAT_RESPONSE_MODE") == "stream"
	client   http.Client
)

func main() {
	workers, err := strconv.Atoi(os.Getenv("AWS_LAMBDA_MAX_CONCURRENCY"))
	if err != nil {
		workers = 1
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = 0 // of all hosts together: as many as there are
	transport.MaxIdleConnsPerHost = workers + 1
	client.Transport = transport
	for i := 1; i < workers; i++ {
		go work()
	}
	work()
}

func work() {
	for {
		if err := turn(); err != nil {
			os.Exit(1)
		}
	}
}

func turn() error {
	next, err := client.Get(api + "next")
	if err != nil {
		return err
	}
	body, _ := io.ReadAll(next.Body)
	next.Body.Close()
	var event struct{ Body string }
	json.Unmarshal(body, &event)
	request, _ := http.NewRequest("POST", upstream, strings.NewReader(event.Body))
	request.Header.Set("Authorization", "Bearer "+os.Getenv("CHAT_API_KEY"))
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	respond := whole
	if streams && wantsStream(event.Body) {
		respond = stream
	}
	posted, err := client.Do(respond(api+next.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", answer))
	if err != nil {
		return err
	}
	io.Copy(io.Discard, posted.Body)
	return posted.Body.Close()
}

func wantsStream(body string) bool {
	var chat struct{ Stream bool }
	json.Unmarshal([]byte(body), &chat)
	return chat.Stream
}

func whole(url string, answer *http.Response) *http.Request {
	completion, _ := io.ReadAll(answer.Body)
	reply, _ := json.Marshal(map[string]interface{}{"statusCode": answer.StatusCode,
		"headers": map[string]string{"content-type": "application/json"}, "body": string(completion)})
	response, _ := http.NewRequest("POST", url, bytes.NewReader(reply))
	response.Header.Set("Content-Type", "application/json")
	return response
}

// stream passes the upstream's bytes on as they come: the transport flushes a body of unknown length after each read.
func stream(url string, answer *http.Response) *http.Request {
	prelude, _ := json.Marshal(map[string]interface{}{"statusCode": answer.StatusCode,
		"headers": map[string]string{"content-type": "text/event-stream"}})
	separator := make([]byte, 8)
	response, _ := http.NewRequest("POST", url, io.MultiReader(bytes.NewReader(append(prelude, separator...)), answer.Body))
	response.Header.Set("Content-Type", "application/vnd.awslambda.http-integration-response")
	response.Header.Set("Lambda-Runtime-Function-Response-Mode", "streaming")
	return response
}
