package chatlambda.local;

import static org.junit.jupiter.api.Assertions.assertEquals;

import chatlambda.Events;
import jakarta.json.JsonObject;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StubAnswerTest {

    private static final String CHAT_TOOLS = "\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"free\"}},"
            + "{\"type\":\"function\",\"function\":{\"name\":\"first\",\"parameters\":{\"properties\":{\"a\":{}},\"required\":[\"a\"]}}},"
            + "{\"type\":\"function\",\"function\":{\"name\":\"second\"}}]";
    private static final String TOOLS = "\"tools\":[{\"type\":\"web_search\"},"
            + "{\"type\":\"function\",\"name\":\"first\",\"parameters\":{\"properties\":{\"a\":{}},\"required\":[\"a\"]}},"
            + "{\"type\":\"function\",\"name\":\"second\"}]";

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            {"messages":[{"role":"user","content":"Hi"}]}                                                        |        | You said: Hi
            {"messages":[{"role":"user","content":[{"text":"a"},{"image_url":{}},{"text":"b"}]}]}                |        | You said: a b
            {"messages":[{"role":"user","content":[]}]}                               | | You said: something that is not plain text
            {"messages":[]}                                                           | | You said: something that is not plain text
            {"messages":7}                                                            | | You said: something that is not plain text
            {TOOLS,"messages":[{"role":"user","content":"Hi"}]}                                                  | first  | {"a":"stub"}
            {TOOLS,"tool_choice":"required","messages":[{"role":"user","content":"Hi"}]}                         | first  | {"a":"stub"}
            {TOOLS,"tool_choice":"none","messages":[{"role":"user","content":"Hi"}]}                             |        | You said: Hi
            {TOOLS,"tool_choice":{"type":"function","function":{"name":"second"}},"messages":[{"role":"user"}]}  | second | {}
            {TOOLS,"messages":[{"role":"user","content":"Hi"},{"role":"tool","content":"sunny"}]}                |        | You said: sunny
            {"tools":[{"type":"custom"}],"messages":[{"role":"user","content":"Hi"}]}                            |        | You said: Hi
            {"response_format":{"type":"json_object"},"messages":[{"content":"Hi"}]}                    | | {"answer":"You said: Hi"}
            {"response_format":{"type":"json_schema","json_schema":{"schema":{"const":5}}},"messages":[]}        |        | 5
            {"response_format":{"type":"text"},"messages":[{"role":"user","content":"Hi"}]}                      |        | You said: Hi
            """)
    void chat(String request, String tool, String text) {
        assertAnswer(tool, text, StubAnswer.toChat(Events.json(request.replace("TOOLS", CHAT_TOOLS))));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            {"input":"Hi"}                                                                            |        | You said: Hi
            {"input":[{"role":"user","content":"Hi"}]}                                                |        | You said: Hi
            {"input":[{"role":"user","content":[{"type":"input_text","text":"Hi"}]}]}                 |        | You said: Hi
            {"prompt":{"id":"p"}}                                                  | | You said: something that is not plain text
            {TOOLS,"input":"Hi"}                                                                      | first  | {"a":"stub"}
            {TOOLS,"tool_choice":{"type":"function","name":"second"},"input":"Hi"}                    | second | {}
            {TOOLS,"tool_choice":"none","input":"Hi"}                                                 |        | You said: Hi
            {TOOLS,"input":[{"type":"function_call_output","call_id":"c","output":"sunny"}]}          |        | You said: sunny
            {"text":{"format":{"type":"json_schema","name":"n","schema":{"const":5}}},"input":"Hi"}   |        | 5
            {"text":{"format":{"type":"text"}},"input":"Hi"}                                          |        | You said: Hi
            """)
    void responses(String request, String tool, String text) {
        assertAnswer(tool, text, StubAnswer.toResponses(Events.json(request.replace("TOOLS", TOOLS))));
    }

    @Test
    void idsDifferFromTurnToTurnOfAConversation() {
        JsonObject hi = Events.json("{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}");
        JsonObject more = Events.json("{\"messages\":[{\"content\":\"Hi\"},{\"content\":\"You said: Hi\"},{\"content\":\"Hi\"}]}");
        assertEquals("chatcmpl-stub", new StubCompletions("m", StubAnswer.toChat(hi)).whole().getString("id"));
        assertEquals("chatcmpl-stub_3", new StubCompletions("m", StubAnswer.toChat(more)).whole().getString("id"));
        JsonObject items = Events.json("{\"input\":[{\"content\":\"Hi\"},{\"type\":\"function_call_output\",\"output\":\"sunny\"}]}");
        JsonObject response = new StubResponses(items, StubAnswer.toResponses(items)).whole();
        assertEquals("resp_stub_2", response.getString("id"));
        assertEquals("msg_stub_2", response.getJsonArray("output").getJsonObject(0).getString("id"));
    }

    private static void assertAnswer(String tool, String text, StubAnswer answer) {
        assertEquals(tool, answer.tool());
        assertEquals(text, answer.text());
    }
}
