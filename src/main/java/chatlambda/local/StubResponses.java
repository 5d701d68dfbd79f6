package chatlambda.local;

import jakarta.json.Json;
import jakarta.json.JsonArray;
import jakarta.json.JsonObject;
import jakarta.json.JsonObjectBuilder;
import jakarta.json.JsonValue;
import java.io.IOException;
import java.io.OutputStream;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/**
 * One of the stub's answers in the form of the Responses API.
 *
 * @see <a href="https://platform.openai.com/docs/api-reference/responses">Responses</a>
 * @see <a href="https://platform.openai.com/docs/api-reference/responses-streaming">Its events</a>
 */
final class StubResponses {

    /** What a response says of its request, where the request does not say it. */
    private static final JsonObject DEFAULTS = Json.createReader(new StringReader("""
            {"instructions":null,"max_output_tokens":null,"metadata":{},"parallel_tool_calls":true,"previous_response_id":null,
            "reasoning":{"effort":null,"summary":null},"store":true,"temperature":1.0,"text":{"format":{"type":"text"}},
            "tool_choice":"auto","tools":[],"top_p":1.0,"truncation":"disabled"}""")).readObject();

    private final JsonObject request;
    private final StubAnswer answer;
    private OutputStream out;
    private int events;

    StubResponses(JsonObject request, StubAnswer answer) {
        this.request = request;
        this.answer = answer;
    }

    JsonObject whole() {
        return response("completed", Json.createArrayBuilder().add(item("completed", answer.text())).build(), usage());
    }

    /** Every event has its name twice, and a number; {@code response.completed} is the last one, and no {@code [DONE]} follows. */
    void stream(OutputStream to, Duration pace) throws IOException {
        out = to;
        event("response.created", json().add("response", response("in_progress", JsonValue.EMPTY_JSON_ARRAY, JsonValue.NULL)));
        event("response.in_progress", json().add("response", response("in_progress", JsonValue.EMPTY_JSON_ARRAY, JsonValue.NULL)));
        event("response.output_item.added", json().add("output_index", 0).add("item", item("in_progress", "")));
        if (answer.tool() == null) {
            streamText(pace);
        } else {
            streamArguments(pace);
        }
        event("response.output_item.done", json().add("output_index", 0).add("item", item("completed", answer.text())));
        event("response.completed", json().add("response", whole()));
    }

    private void streamText(Duration pace) throws IOException {
        event("response.content_part.added", inPart().add("part", part("")));
        for (String piece : answer.pieces()) {
            LockSupport.parkNanos(pace.toNanos());
            event("response.output_text.delta", inPart().add("delta", piece).add("logprobs", JsonValue.EMPTY_JSON_ARRAY));
        }
        event("response.output_text.done", inPart().add("text", answer.text()).add("logprobs", JsonValue.EMPTY_JSON_ARRAY));
        event("response.content_part.done", inPart().add("part", part(answer.text())));
    }

    private void streamArguments(Duration pace) throws IOException {
        for (String piece : answer.pieces()) {
            LockSupport.parkNanos(pace.toNanos());
            event("response.function_call_arguments.delta", inItem().add("delta", piece));
        }
        event("response.function_call_arguments.done", inItem().add("name", answer.tool()).add("arguments", answer.text()));
    }

    private JsonObject response(String status, JsonArray output, JsonValue usage) {
        var response = json().add("id", answer.id("resp_stub")).add("object", "response").add("created_at", 1_700_000_000)
                .add("status", status).addNull("error").addNull("incomplete_details").add("model", request.getString("model", ""))
                .add("output", output);
        DEFAULTS.forEach((name, value) -> response.add(name, request.getOrDefault(name, value)));
        return response.add("usage", usage).build();
    }

    private JsonObject usage() {
        int tokens = answer.tokens();
        return json().add("input_tokens", 7).add("input_tokens_details", json().add("cached_tokens", 0)).add("output_tokens", tokens)
                .add("output_tokens_details", json().add("reasoning_tokens", 0)).add("total_tokens", 7 + tokens).build();
    }

    /** @param text all of it so far */
    private JsonObjectBuilder item(String status, String text) {
        if (answer.tool() != null) {
            return json().add("id", itemId()).add("type", "function_call").add("status", status).add("arguments", text)
                    .add("call_id", answer.callId()).add("name", answer.tool());
        }
        var content = Json.createArrayBuilder();
        if (status.equals("completed")) {
            content.add(part(text));
        }
        return json().add("id", itemId()).add("type", "message").add("status", status).add("role", "assistant").add("content", content);
    }

    private static JsonObjectBuilder part(String text) {
        return json().add("type", "output_text").add("text", text).add("annotations", JsonValue.EMPTY_JSON_ARRAY)
                .add("logprobs", JsonValue.EMPTY_JSON_ARRAY);
    }

    private JsonObjectBuilder inItem() {
        return json().add("item_id", itemId()).add("output_index", 0);
    }

    private JsonObjectBuilder inPart() {
        return inItem().add("content_index", 0);
    }

    private String itemId() {
        return answer.id(answer.tool() == null ? "msg_stub" : "fc_stub");
    }

    private void event(String type, JsonObjectBuilder members) throws IOException {
        JsonObject data = json().add("type", type).add("sequence_number", events++).addAll(members).build();
        out.write(("event: " + type + "\ndata: " + data + "\n\n").getBytes(StandardCharsets.UTF_8));
        out.flush();
    }

    private static JsonObjectBuilder json() {
        return Json.createObjectBuilder();
    }
}
