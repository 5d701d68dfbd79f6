/* The same function in C with libcurl; its JSON handling is just enough for the benchmark's events. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text { char *bytes; size_t length; };

static size_t append(char *from, size_t size, size_t count, void *to) {
  struct text *t = to;
  t->bytes = realloc(t->bytes, t->length + size * count + 1);
  memcpy(t->bytes + t->length, from, size * count);
  t->length += size * count;
  t->bytes[t->length] = 0;
  return size * count;
}

static size_t request_id(char *line, size_t size, size_t count, void *id) {
  if (size * count > 31 && !strncasecmp(line, "lambda-runtime-aws-request-id: ", 31))
    snprintf(id, 64, "%.*s", (int)(size * count - 33), line + 31);
  return size * count;
}

int main(void) {
  char url[300], upstream[300], key[300], id[64];
  struct text event = {0}, completion = {0}, ignored = {0};
  snprintf(upstream, sizeof upstream, "%s/v1/chat/completions", getenv("CHAT_URL"));
  snprintf(key, sizeof key, "Authorization: Bearer %s", getenv("CHAT_API_KEY"));
  struct curl_slist *at_once = curl_slist_append(NULL, "Expect:"); /* else it waits a second before it posts more than 1 MB */
  struct curl_slist *headers = curl_slist_append(curl_slist_append(curl_slist_append(NULL, "Expect:"), key), "Content-Type: application/json");
  CURL *api = curl_easy_init(), *chat = curl_easy_init();
  curl_easy_setopt(chat, CURLOPT_URL, upstream);
  if (getenv("SSL_CERT_FILE")) curl_easy_setopt(chat, CURLOPT_CAINFO, getenv("SSL_CERT_FILE"));
  curl_easy_setopt(chat, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(chat, CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(chat, CURLOPT_WRITEDATA, &completion);
  curl_easy_setopt(api, CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(api, CURLOPT_HEADERFUNCTION, request_id);
  curl_easy_setopt(api, CURLOPT_HEADERDATA, id);
  curl_easy_setopt(api, CURLOPT_HTTPHEADER, at_once);
  for (;;) {
    event.length = completion.length = ignored.length = 0;
    snprintf(url, sizeof url, "http://%s/2018-06-01/runtime/invocation/next", getenv("AWS_LAMBDA_RUNTIME_API"));
    curl_easy_setopt(api, CURLOPT_URL, url);
    curl_easy_setopt(api, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(api, CURLOPT_WRITEDATA, &event);
    if (curl_easy_perform(api)) return 1;
    char *body = strstr(event.bytes, "\"body\":\"") + 8, *to = body;
    for (char *from = body; *from != '"'; from++) *to++ = *from == '\\' ? *++from : *from;
    curl_easy_setopt(chat, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(chat, CURLOPT_POSTFIELDSIZE, (long)(to - body));
    if (curl_easy_perform(chat)) return 1;
    char *reply = malloc(completion.length * 2 + 200);
    to = reply + sprintf(reply, "{\"statusCode\":200,\"headers\":{\"content-type\":\"application/json\"},\"body\":\"");
    for (size_t i = 0; i < completion.length; i++) {
      if (completion.bytes[i] == '"' || completion.bytes[i] == '\\') *to++ = '\\';
      *to++ = completion.bytes[i];
    }
    to += sprintf(to, "\"}");
    snprintf(url, sizeof url, "http://%s/2018-06-01/runtime/invocation/%s/response", getenv("AWS_LAMBDA_RUNTIME_API"), id);
    curl_easy_setopt(api, CURLOPT_URL, url);
    curl_easy_setopt(api, CURLOPT_POSTFIELDS, reply);
    curl_easy_setopt(api, CURLOPT_POSTFIELDSIZE, (long)(to - reply));
    curl_easy_setopt(api, CURLOPT_WRITEDATA, &ignored);
    if (curl_easy_perform(api)) return 1;
    free(reply);
  }
}
