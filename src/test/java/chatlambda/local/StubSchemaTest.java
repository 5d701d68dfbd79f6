package chatlambda.local;

import static org.junit.jupiter.api.Assertions.assertEquals;

import chatlambda.Events;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.InputFormat;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SchemaValidatorsConfig;
import com.networknt.schema.SpecVersion.VersionFlag;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class StubSchemaTest {

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            {"type":"string"}                                                                        | "stub"
            {"type":"string","minLength":6}                                                          | "stub.."
            {"type":"string","maxLength":2}                                                          | "st"
            {"type":"string","format":"email"}                                                       | "stub@example.com"
            {"type":"string","pattern":"^#[0-9a-f]{6}$","examples":["#a0b0c0"]}                      | "#a0b0c0"
            {"type":"string","default":"d"}                                                          | "d"
            {"type":"number"}                                                                        | 1
            {"type":"number","minimum":0,"maximum":0.5}                                              | 0.5
            {"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1}                              | 0.999
            {"type":"integer","minimum":3}                                                           | 3
            {"type":"integer","exclusiveMinimum":3}                                                  | 4
            {"type":"integer","maximum":-2}                                                          | -2
            {"type":"integer","exclusiveMaximum":1}                                                  | 0
            {"type":"integer","multipleOf":5}                                                        | 5
            {"type":"integer","minimum":11,"multipleOf":5}                                           | 15
            {"type":"integer","minimum":1e2}                                                         | 100
            {"type":"boolean"}                                                                       | true
            {"type":"null"}                                                                          | null
            {"type":["null","boolean"]}                                                              | true
            {"type":"array","items":{"type":"number"}}                                               | []
            {"type":"array","items":{"type":"number"},"minItems":2}                                  | [1,1]
            {"type":"array","prefixItems":[{"type":"string"},{"type":"boolean"}]}                    | ["stub",true]
            {"enum":["b","a"]}                                                                       | "b"
            {"const":5}                                                                              | 5
            {"anyOf":[{"type":"boolean"},{"type":"null"}]}                                           | true
            {"required":["a"],"oneOf":[{"properties":{"a":{"const":1}}},{"properties":{"a":{"const":2}}}]} | {"a":1}
            {"allOf":[{"properties":{"a":{}},"required":["a"]},{"properties":{"b":{"type":"integer"}},"required":["b"]}]} | {"a":"stub","b":1}
            {"type":"object","properties":{"a":{"type":"string"},"b":{}}}                            | {}
            {"type":"object","properties":{"a":{"properties":{"b":{"enum":[2]}},"required":["b"]}},"required":["a"]} | {"a":{"b":2}}
            {"$ref":"#/$defs/a","$defs":{"a":{"type":"boolean"}}}                                    | true
            {"$ref":"https://elsewhere.example/schema"}                                              | "stub"
            {"$ref":"#"}                                                                             | "stub"
            {"type":7,"minimum":"x","format":1}                                                      | "stub"
            {"type":"number","minimum":1e999999999}                                                  | 1
            """)
    void itIsFilledWithTheLeastThatSatisfiesIt(String schema, String value) {
        assertEquals(value, StubSchema.filled(Events.json(schema)).toString());
    }

    /** What AI SDKs make of their users' types. */
    @ParameterizedTest
    @ValueSource(strings = {
            """
            {"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,
             "properties":{"id":{"type":"string","format":"uuid"},"at":{"type":"string","format":"date-time"},
              "share":{"type":"number","minimum":0,"maximum":1},"count":{"type":"integer","exclusiveMinimum":0,"maximum":9007199254740991},
              "name":{"type":"string","minLength":10,"maxLength":12},"mail":{"anyOf":[{"type":"string","format":"email"},{"type":"null"}]},
              "pair":{"type":"array","prefixItems":[{"type":"string"},{"type":"number"}],"minItems":2},
              "steps":{"type":"array","minItems":1,"items":{"type":"object","properties":{"do":{"type":"string"}},"required":["do"]}}},
             "required":["id","at","share","count","name","mail","pair","steps"]}""",
            """
            {"type":"object","properties":{"shape":{"oneOf":[{"$ref":"#/$defs/circle"},{"$ref":"#/$defs/square"}]}},"required":["shape"],
             "$defs":{"circle":{"type":"object","properties":{"kind":{"const":"circle"},"radius":{"type":"number","exclusiveMinimum":0}},
              "required":["kind","radius"],"additionalProperties":false},
              "square":{"type":"object","properties":{"kind":{"const":"square"}},"required":["kind"]}}}""",
            """
            {"$ref":"#/definitions/Base","definitions":{"Base":{"allOf":[{"$ref":"#/definitions/Named"},
             {"type":"object","properties":{"age":{"type":"integer","minimum":18}},"required":["age"]}]},
             "Named":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}}}""",
            """
            {"type":"object","properties":{"next":{"anyOf":[{"type":"null"},{"$ref":"#"}]},"value":{"type":"string"}},
             "required":["next","value"]}""" })
    void whatIsFilledInIsValid(String schema) throws Exception {
        var config = SchemaValidatorsConfig.builder().formatAssertionsEnabled(true).build();
        var validator = JsonSchemaFactory.getInstance(VersionFlag.V202012).getSchema(schema, InputFormat.JSON, config);
        String value = StubSchema.filled(Events.json(schema)).toString();
        assertEquals(Set.of(), validator.validate(new ObjectMapper().readTree(value)), value);
    }
}
