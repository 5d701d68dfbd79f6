package chatlambda.local;

import jakarta.json.Json;
import jakarta.json.JsonObject;
import jakarta.json.JsonObjectBuilder;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/** One of the stub's answers as a chat completion. */
final class StubCompletions {

    private final String model;
    private final StubAnswer answer;
    private final String finishReason;

    StubCompletions(String model, StubAnswer answer) {
        this.model = model;
        this.answer = answer;
        finishReason = answer.tool() == null ? "stop" : "tool_calls";
    }

    JsonObject whole() {
        var message = Json.createObjectBuilder().add("role", "assistant");
        if (answer.tool() == null) {
            message.add("content", answer.text()).addNull("refusal");
        } else {
            var calls = Json.createArrayBuilder().add(toolCall(answer.text()));
            message.addNull("content").addNull("refusal").add("tool_calls", calls);
        }
        return Json.createObjectBuilder().add("id", answer.id("chatcmpl-stub")).add("object", "chat.completion")
                .add("created", 1_700_000_000).add("model", model)
                .add("choices", Json.createArrayBuilder().add(Json.createObjectBuilder().add("index", 0)
                        .add("message", message).add("finish_reason", finishReason).addNull("logprobs")))
                .add("usage", usage())
                .add("meta", Json.createObjectBuilder().add("usage", Json.createObjectBuilder().add("credits_used", 42)))
                .build();
    }

    /** Piece by piece, usage in a last chunk without choices, and no {@code [DONE]}: as AI/ML API's documentation prints it. */
    void stream(OutputStream out, Duration pace) throws IOException {
        if (answer.tool() == null) {
            event(out, chunk(choice("{\"role\":\"assistant\",\"content\":\"\"}", "null"), null));
        } else {
            event(out, chunk(choice("{\"role\":\"assistant\",\"content\":null}", "null"), null));
            event(out, chunk(choice(delta(toolCall("")), "null"), null));
        }
        for (String piece : answer.pieces()) {
            LockSupport.parkNanos(pace.toNanos());
            String delta = answer.tool() == null ? Json.createObjectBuilder().add("content", piece).build().toString()
                    : delta(Json.createObjectBuilder().add("function", Json.createObjectBuilder().add("arguments", piece)));
            event(out, chunk(choice(delta, "null"), null));
        }
        event(out, chunk(choice("{}", "\"" + finishReason + "\""), null));
        event(out, chunk("", usage().build()));
    }

    private JsonObjectBuilder toolCall(String arguments) {
        return Json.createObjectBuilder().add("id", answer.callId()).add("type", "function")
                .add("function", Json.createObjectBuilder().add("name", answer.tool()).add("arguments", arguments));
    }

    private static String delta(JsonObjectBuilder call) {
        var calls = Json.createArrayBuilder().add(Json.createObjectBuilder().add("index", 0).addAll(call));
        return Json.createObjectBuilder().add("tool_calls", calls).build().toString();
    }

    private JsonObjectBuilder usage() {
        int tokens = answer.tokens();
        return Json.createObjectBuilder().add("prompt_tokens", 7).add("completion_tokens", tokens).add("total_tokens", 7 + tokens);
    }

    private static String choice(String delta, String finishReason) {
        return "{\"index\":0,\"delta\":" + delta + ",\"finish_reason\":" + finishReason + "}";
    }

    private String chunk(String choices, JsonObject usage) {
        return "{\"id\":\"" + answer.id("chatcmpl-stub") + "\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":"
                + Json.createValue(model) + ",\"choices\":[" + choices + "],\"usage\":" + usage + "}";
    }

    private static void event(OutputStream out, String data) throws IOException {
        out.write(("data: " + data + "\n\n").getBytes(StandardCharsets.UTF_8));
        out.flush();
    }
}
