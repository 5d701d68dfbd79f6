package chatlambda.upstream;

import java.util.Map;

/** What the upstream made of a request: a whole completion, or one that comes in chunks. */
public sealed interface Answer permits Completion, CompletionStream {

    /** The upstream's 2xx, where 201, which AI/ML API once documented, has become 200. */
    int status();

    /** By lower-case name: the content type, the request id, and what the upstream says of limits and cost. */
    Map<String, String> headers();
}
